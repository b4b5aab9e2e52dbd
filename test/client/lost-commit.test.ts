/** What becomes of a transfer whose end its client does not see: found by the simulation. */
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { pictureOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene, type Scene } from './support/scene.ts';

/** A tree with a large file and some that share a chunk. */
function writeTree(root: string): void {
  writeRandomFile(path.join(root, 'large'), 3 * CHUNK + 5);
  for (let i = 0; i < 5; i += 1) writeRandomFile(path.join(root, `small-${i}`), 5000);
}

/** From now on no answer to a commit arrives. */
function loseCommits(scene: Scene): void {
  scene.proxy.onRequest(({ path: asked }) => (asked.endsWith('/commit') ? 'lose-reply' : 'pass'));
}

test('a push whose answers to the commit were lost ends well in the next run, whatever changed since', async () => {
  const scene = await openScene();
  const source = temporaryDirectory();
  writeTree(source);
  loseCommits(scene);
  expect(await codeOf(push([source], scene.options('/tree', { retryForMs: 300 })))).toBe('network');
  scene.proxy.onRequest(() => 'pass');
  appendFileSync(path.join(source, 'large'), 'more');
  rmSync(path.join(source, 'small-1'));
  const summary = await push([source], scene.options('/tree'));
  expect(summary).toMatchObject({ excluded: 0, bytesMoved: 3 * CHUNK + 5 + 4 });
  const back = temporaryDirectory();
  await pull(back, scene.options('/tree'));
  rmSync(path.join(back, 'small-1'));
  expect(Object.keys(pictureOf(back))).toEqual(Object.keys(pictureOf(source)));
  expect(await scene.fetch('/tree/large')).toHaveLength(3 * CHUNK + 5 + 4);
});

test('a push goes on though its server crashes before each commit and loses every chunk', async () => {
  const scene = await openScene('disk', { sync: 'close' });
  const source = temporaryDirectory();
  writeTree(source);
  let [crashes, isSent] = [0, false];
  scene.proxy.onRequest(({ path: asked }) => {
    if (asked.includes('/chunks/')) isSent = true;
    if (!asked.endsWith('/commit') || !isSent || crashes === 7) return 'pass';
    crashes += 1;
    isSent = false;
    void scene.kill().then(() => scene.start());
    return 'reset';
  });
  await push([source], scene.options('/tree', { sync: 'close' }));
  expect(crashes).toBe(7);
  expect(await scene.fetch('/tree/large')).toHaveLength(3 * CHUNK + 5);
});

test('a push asks for no sync point before its commit', async () => {
  const scene = await openScene();
  const source = temporaryDirectory();
  writeTree(source);
  const asked: string[] = [];
  scene.proxy.onRequest(({ path: wanted }) => {
    asked.push(wanted.replace(/.*\//, ''));
    return 'pass';
  });
  await push([source], scene.options('/tree'));
  expect(asked).not.toContain('sync');
  expect(asked.at(-1)).toBe('commit');
});

test('a push that another client has finished brings what changed since', async () => {
  const scene = await openScene();
  const source = temporaryDirectory();
  writeTree(source);
  const signal = new AbortController();
  const stop = (event: { type: string }): void => {
    if (event.type === 'bytes') signal.abort(new Error('stop'));
  };
  await push([source], scene.options('/tree', { report: stop, signal: signal.signal })).catch(
    () => undefined,
  );
  // The other one has lost its state, and finds the session by its manifest.
  await push([source], scene.options('/tree', { stateHome: temporaryDirectory() }));
  writeFileSync(path.join(source, 'small-2'), 'changed');
  expect(await push([source], scene.options('/tree'))).toMatchObject({ excluded: 0, bytesMoved: 7 });
  expect((await scene.fetch('/tree/small-2'))?.toString()).toBe('changed');
});

test('a pull leaves out a file that changed while answers were lost, and never writes zeros for it', async () => {
  const scene = await openScene();
  const tree = path.join(scene.root, 'tree');
  mkdirSync(tree);
  writeTree(tree);
  const back = temporaryDirectory();
  const asked = new Set<string>();
  scene.proxy.onRequest(({ path: wanted }) => {
    if (!wanted.includes('/chunks/') || asked.has(wanted)) return 'pass';
    if (asked.size === 0) writeFileSync(path.join(tree, 'small-2'), 'changed');
    asked.add(wanted);
    return 'lose-reply';
  });
  expect(await pull(back, scene.options('/tree'))).toMatchObject({ excluded: 1 });
  expect(Object.keys(pictureOf(back))).not.toContain('small-2');
});

test('a pull leaves out a small file that changes before the commit of a restarted server', async () => {
  const scene = await openScene();
  const tree = path.join(scene.root, 'tree');
  mkdirSync(tree);
  writeTree(tree);
  const back = temporaryDirectory();
  let isOver = false;
  scene.proxy.onRequest(({ path: asked }) => {
    if (!asked.endsWith('/commit') || isOver) return 'pass';
    isOver = true;
    // The restarted server does not know what it had sent, and the file is no longer what that was.
    writeFileSync(path.join(tree, 'small-2'), 'changed');
    void scene.kill().then(() => scene.start());
    return 'reset';
  });
  expect(await pull(back, scene.options('/tree'))).toMatchObject({ excluded: 1 });
  expect(Object.keys(pictureOf(back)).toSorted()).toEqual(
    ['', 'large', ...[0, 1, 3, 4].map((i) => `small-${i}`)].toSorted(),
  );
});
