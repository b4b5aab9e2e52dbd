/** Places that are not as usual: state homes that move or cannot be written, many sources, ways that can only be searched. */
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene } from './support/scene.ts';

const SIZE = 16 * CHUNK;

test('an interrupted pull goes on after its state home was moved, and leaves nothing behind', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'f');
  writeRandomFile(file, SIZE);
  await push([file], scene.options('/f'));
  const stateHome = path.join(temporaryDirectory(), 'state');
  const arrived = path.join(temporaryDirectory(), 'f');
  const controller = new AbortController();
  let movedBytes = 0;
  const options = scene.options('/f', {
    stateHome,
    parallel: 1,
    signal: controller.signal,
    report: (event) => {
      if (event.type === 'bytes') movedBytes += event.bytes;
      if (movedBytes > SIZE / 2) controller.abort(new CairnError('terminated', 'stop'));
    },
  });
  expect(await codeOf(pull(arrived, options))).toBe('terminated');
  renameSync(stateHome, `${stateHome}-elsewhere`);
  const summary = await pull(arrived, scene.options('/f', { stateHome: `${stateHome}-elsewhere` }));
  expect(summary.bytesResumed).toBeGreaterThan(0);
  expect(digestOf(arrived)).toBe(digestOf(file));
  expect(readdirSync(path.dirname(arrived))).toEqual(['f']);
});

test('a dry run keeps nothing, and needs no state home', async () => {
  const scene = await openScene();
  const source = temporaryDirectory();
  writeFileSync(path.join(source, 'f'), 'x');
  const stateHome = path.join(temporaryDirectory(), 'a file');
  writeFileSync(stateHome, 'where nothing can be made');
  const options = scene.options('/t', { stateHome, dryRun: true });
  expect(await push([source], options)).toMatchObject({ bytesMoved: 0, bytesTotal: 1 });
  expect(await scene.fetch('/t/f')).toBeUndefined();
  expect(await codeOf(push([source], scene.options('/t', { stateHome })))).toBe('not-directory');
  await push([source], scene.options('/t'));
  const arrived = path.join(temporaryDirectory(), 'new');
  expect(await pull(arrived, options)).toMatchObject({ bytesMoved: 0, bytesTotal: 1 });
  expect(existsSync(arrived)).toBe(false);
});

test('a push of 300 files of one directory holds few descriptors at a time', async () => {
  const scene = await openScene();
  const directory = temporaryDirectory();
  const sources = Array.from({ length: 300 }, (_, n) => path.join(directory, `f${n}`));
  for (const source of sources) writeFileSync(source, source);
  const before = readdirSync('/proc/self/fd').length;
  let most = 0;
  const report = (): void => void (most = Math.max(most, readdirSync('/proc/self/fd').length));
  expect(await push(sources, scene.options('/t', { report }))).toMatchObject({ entries: 300 });
  expect(most - before).toBeLessThan(150);
  expect(String(await scene.fetch('/t/f299'))).toBe(sources[299]);
});
