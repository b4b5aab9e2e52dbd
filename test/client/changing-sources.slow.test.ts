import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { TransferEvent } from '../../src/client/api/events.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { pictureOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene, type Scene } from './support/scene.ts';

const MIB = 1024 * 1024;

/** Two large files, and small ones that share chunks behind them. */
function writeTree(root: string): void {
  writeRandomFile(path.join(root, 'a-large'), 2 * MIB + 5);
  writeRandomFile(path.join(root, 'b-large'), 2 * MIB);
  for (let i = 0; i < 20; i += 1) writeRandomFile(path.join(root, `small-${i}`), 10_000);
}

const warnings = (events: readonly TransferEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'warning' ? [`${event.code} ${event.path}`] : [])).toSorted();

/** Calls `act` once so many bytes have moved. */
function whenMoved(scene: Scene, bytes: number, act: () => void): (event: TransferEvent) => void {
  let moved = 0;
  let done = false;
  return (event) => {
    scene.events.push(event);
    if (event.type === 'bytes') moved += event.bytes;
    if (done || moved < bytes) return;
    done = true;
    act();
  };
}

function expectSame(back: string, source: string, without: readonly string[]): void {
  const expected = pictureOf(source);
  for (const name of ['', ...without]) delete expected[name];
  const found = pictureOf(back);
  delete found[''];
  expect(found).toEqual(expected);
}

test('a push names what changes or vanishes while it is read, and brings the rest', async () => {
  const scene = await openScene('disk', { bytesPerSecond: 8 * MIB });
  const source = temporaryDirectory();
  writeTree(source);
  // What has just been written would be sent as it was when it was found.
  utimesSync(path.join(source, 'small-3'), 1, 1);
  const report = whenMoved(scene, MIB, () => {
    appendFileSync(path.join(source, 'b-large'), 'more');
    writeFileSync(path.join(source, 'small-3'), 'changed');
    rmSync(path.join(source, 'small-4'));
  });
  const summary = await push([source], scene.options('/tree', { report, parallel: 2 }));
  expect(summary.excluded).toBe(3);
  expect(warnings(scene.events)).toEqual([
    'source-changed b-large',
    'source-changed small-3',
    'source-missing small-4',
  ]);
  const back = temporaryDirectory();
  await pull(back, scene.options('/tree'));
  expectSame(back, source, ['b-large', 'small-3']);
  expect(await push([source], scene.options('/tree'))).toMatchObject({
    excluded: 0,
    bytesMoved: 2 * MIB + 4 + 7,
  });
});

test('a pull names what changes or vanishes at the server, and brings the rest', async () => {
  const scene = await openScene('disk', { bytesPerSecond: 8 * MIB });
  const source = path.join(scene.root, 'tree');
  mkdirSync(source);
  writeTree(source);
  const before = pictureOf(source);
  const report = whenMoved(scene, MIB, () => {
    appendFileSync(path.join(source, 'b-large'), 'more');
    writeFileSync(path.join(source, 'small-3'), 'changed');
    rmSync(path.join(source, 'small-4'));
  });
  const back = temporaryDirectory();
  const summary = await pull(back, scene.options('/tree', { report, parallel: 2 }));
  expect(summary.excluded).toBe(3);
  expect(warnings(scene.events).map((line) => line.split(' ')[1])).toEqual(['b-large', 'small-3', 'small-4']);
  const found = pictureOf(back);
  for (const name of ['', 'b-large', 'small-3', 'small-4']) delete before[name];
  delete found[''];
  expect(found).toEqual(before);
  expect(await pull(back, scene.options('/tree'))).toMatchObject({
    excluded: 0,
    bytesMoved: 2 * MIB + 4 + 7,
  });
});

test.each(['push', 'pull'] as const)(
  'a %s whose path to a source is blocked or moved names that source alone',
  async (direction) => {
    const scene = await openScene('disk', { bytesPerSecond: 8 * MIB });
    const source = direction === 'push' ? temporaryDirectory() : path.join(scene.root, 'tree');
    for (const name of ['a/large', 'b/fifo', 'c/file', 'd/file']) {
      writeRandomFile(path.join(source, name), name === 'a/large' ? 2 * MIB : 10_000);
    }
    const report = whenMoved(scene, MIB, () => {
      rmSync(path.join(source, 'b/fifo'));
      execFileSync('mkfifo', [path.join(source, 'b/fifo')]);
      renameSync(path.join(source, 'c'), path.join(source, 'moved'));
      symlinkSync('moved', path.join(source, 'c'));
    });
    const options = scene.options('/tree', { report, parallel: 1 });
    const back = temporaryDirectory();
    const summary = await (direction === 'push' ? push([source], options) : pull(back, options));
    expect(summary.excluded).toBe(2);
    expect(warnings(scene.events)).toEqual(['source-changed b/fifo', 'source-changed c/file']);
  },
);

test('a file that changed before an interruption arrives whole, and never as zeros', async () => {
  const scene = await openScene('disk', { bytesPerSecond: 3 * MIB });
  const source = path.join(scene.root, 'tree');
  mkdirSync(source);
  for (let i = 0; i < 20; i += 1) writeRandomFile(path.join(source, `a-small-${i}`), 10_000);
  writeRandomFile(path.join(source, 'b-large'), 2 * MIB);
  const small = path.join(source, 'a-small-2');
  const content = readFileSync(small);
  const { mtime } = statSync(small);
  const controller = new AbortController();
  const back = temporaryDirectory();
  let changed = false;
  const report = (event: TransferEvent): void => {
    scene.events.push(event);
    if (event.type === 'planned' && !changed) {
      changed = true;
      writeFileSync(small, Buffer.alloc(10_000, 1));
    }
    if (event.type === 'file' && event.doneBytes > MIB)
      controller.abort(new CairnError('interrupted', 'stop'));
  };
  expect(await codeOf(pull(back, scene.options('/tree', { report, signal: controller.signal })))).toBe(
    'interrupted',
  );
  expect(warnings(scene.events)).toEqual(['source-changed a-small-2']);
  // It is as it was when the second run looks.
  writeFileSync(small, content);
  utimesSync(small, mtime, mtime);
  const summary = await pull(back, scene.options('/tree'));
  expect(summary.excluded).toBe(0);
  expect(readFileSync(path.join(back, 'a-small-2')).equals(content)).toBe(true);
});

test('a push names and counts a source of a kind that it cannot read', async () => {
  const scene = await openScene();
  const source = temporaryDirectory();
  writeFileSync(path.join(source, 'good'), 'x');
  execFileSync('mkfifo', [path.join(source, 'pipe')]);
  const summary = await push([source], scene.options('/tree'));
  expect(summary.excluded).toBe(1);
  expect(warnings(scene.events)).toEqual(['source-unsupported pipe']);
  expect(await codeOf(push([path.join(source, 'pipe')], scene.options('/pipe')))).toBe('source-unsupported');
});

test('a file that changes after it was sent is left out of a resumed push, and brought by its second pass', async () => {
  const scene = await openScene('disk', { bytesPerSecond: 8 * MIB });
  const source = temporaryDirectory();
  writeTree(source);
  const controller = new AbortController();
  const report = whenMoved(scene, 3 * MIB, () => controller.abort(new CairnError('interrupted', 'stop')));
  const { signal } = controller;
  expect(await codeOf(push([source], scene.options('/tree', { report, signal })))).toBe('interrupted');
  await sleep(20);
  const file = path.join(source, 'a-large');
  const { mtime } = statSync(file);
  writeRandomFile(file, 2 * MIB + 5);
  utimesSync(file, mtime, mtime);
  scene.events.length = 0;
  const summary = await push([source], scene.options('/tree'));
  expect(summary.excluded).toBe(0);
  expect(warnings(scene.events)).toEqual([]);
  expect(scene.events.some((event) => event.type === 'notice' && event.message.includes('a-large'))).toBe(
    true,
  );
  const back = temporaryDirectory();
  await pull(back, scene.options('/tree'));
  expectSame(back, source, []);
  expect(summary.bytesResumed).toBeGreaterThan(CHUNK);
});
