/** What a push writes down for the next run while the server still compares. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { push } from '../../src/client/push.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { codeOf } from '../suites/staged-transfer.ts';
import { openScene, type Scene } from './support/scene.ts';

/** Files of a transfer's folder that the next run needs. */
function keptFiles({ stateHome }: Scene): string[] {
  const transfers = path.join(stateHome, 'transfers');
  if (!existsSync(transfers)) return [];
  const kept = new Set(['manifest', 'identities', 'transfer.json', 'journal']);
  return readdirSync(transfers, { recursive: true, encoding: 'utf8' })
    .map((file) => path.basename(file))
    .filter((name) => kept.has(name))
    .toSorted();
}

function treeOf(files: number): string {
  const root = path.join(temporaryDirectory(), 'tree');
  mkdirSync(root);
  for (let n = 0; n < files; n += 1) writeFileSync(path.join(root, `f${n}`), `file ${n}`);
  return root;
}

/** Stops the line at the request that brings the manifest, until `isReady`; answers whether that came. */
function stopAtManifest(scene: Scene, isReady: () => boolean): Promise<boolean> {
  return new Promise((tell) => {
    scene.proxy.onRequest(({ method, path: asked }) => {
      if (method !== 'PUT' || !asked.endsWith('/manifest')) return 'pass';
      scene.proxy.pause();
      vi.waitUntil(isReady, { timeout: 20_000 })
        .then(
          () => tell(true),
          () => tell(false),
        )
        .finally(() => scene.proxy.resume());
      return 'pass';
    });
  });
}

test('a push to a new target writes its documents before the server has answered, and its record after that', async () => {
  const scene = await openScene('disk');
  const areDocumentsThere = (): boolean => keptFiles(scene).join(' ') === 'identities manifest';
  const wereThere = stopAtManifest(scene, areDocumentsThere);
  await push([treeOf(20)], scene.options('/t'));
  expect(await wereThere).toBe(true);
  expect((await scene.fetch('/t/f7'))?.toString()).toBe('file 7');
  expect(keptFiles(scene)).toEqual([]);
});

test('a push whose server never answers leaves no documents behind', async () => {
  const scene = await openScene('disk');
  scene.proxy.onRequest(({ method, path: asked }) =>
    method === 'PUT' && asked.endsWith('/manifest') ? 'reset' : 'pass',
  );
  const options = scene.options('/t', { retryForMs: 1 });
  expect(await codeOf(() => push([treeOf(3000)], options))).toBe('network');
  expect(keptFiles(scene)).toEqual([]);
});

test('a push to a target that is there writes nothing before its plan is known', async () => {
  const scene = await openScene('disk');
  const tree = treeOf(3);
  await push([tree], scene.options('/t'));
  const seen: string[][] = [];
  scene.proxy.onRequest(({ method }) => {
    if (method === 'PUT') seen.push(keptFiles(scene));
    return 'pass';
  });
  await push([tree], scene.options('/t'));
  expect(seen).toEqual([[]]);
  expect(keptFiles(scene)).toEqual([]);
});
