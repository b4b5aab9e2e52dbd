/** A source whose device, inode or ctime changes while its size and time stay is read again, and what agrees is kept. */
import {
  chmodSync,
  copyFileSync,
  linkSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { push } from '../../src/client/push.ts';
import type { TransferEvent } from '../../src/client/api/events.ts';
import { mayHaveSameBytes } from '../../src/manifest/identity.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene, type Scene } from './support/scene.ts';

const CHUNKS = 24;
const SIZE = CHUNKS * CHUNK;

function oneFile(): string {
  const file = path.join(temporaryDirectory(), 'f');
  writeRandomFile(file, SIZE);
  return file;
}

/** Other bytes in one chunk, and the time that the file had. */
function rewriteUnseen(file: string, chunk: number): void {
  const { atime, mtime } = statSync(file);
  utimesSync(file, atime, mtime); // as whole a time as can be set again
  const bytes = readFileSync(file);
  bytes[chunk * CHUNK]! ^= 1;
  writeFileSync(file, bytes);
  utimesSync(file, atime, mtime);
}

const TOUCHES: Record<string, (file: string) => void> = {
  'a new hard link': (file) => linkSync(file, `${file}-snapshot`),
  'a chmod': (file) => chmodSync(file, 0o600),
  'a copy in its place with the same time': (file) => {
    const { atime, mtime } = statSync(file);
    utimesSync(file, atime, mtime);
    copyFileSync(file, `${file}-copy`);
    utimesSync(`${file}-copy`, atime, mtime);
    renameSync(`${file}-copy`, file);
  },
};

/** Calls `act` once so many bytes have moved. */
function whenMoved(scene: Scene, bytes: number, act: () => void): (event: TransferEvent) => void {
  let moved = 0;
  let isDone = false;
  return (event) => {
    scene.events.push(event);
    if (event.type === 'bytes') moved += event.bytes;
    if (isDone || moved < bytes) return;
    isDone = true;
    act();
  };
}

/** Sets a time that `utimes` can set again exactly. */
function settleTime(file: string): void {
  utimesSync(file, 1_600_000_000, 1_600_000_000);
}

test.each(Object.keys(TOUCHES))(
  '%s of a source during a push costs no chunk that was sent before',
  async (name) => {
    const scene = await openScene();
    const file = oneFile();
    settleTime(file);
    const report = whenMoved(scene, SIZE / 2, () => TOUCHES[name]!(file));
    const summary = await push([file], scene.options('/f', { report, parallel: 2 }));
    expect(summary).toMatchObject({ excluded: 0, entries: 1 });
    expect(await scene.fetch('/f')).toEqual(readFileSync(file));
    // Those that were on their way may go again.
    expect(summary.bytesMoved).toBeLessThanOrEqual(SIZE + 4 * CHUNK);
  },
);

test.each(Object.keys(TOUCHES))(
  '%s of a source between two runs of a push costs no chunk that was sent before',
  async (name) => {
    const scene = await openScene();
    const file = oneFile();
    settleTime(file);
    await interrupted(scene, file);
    TOUCHES[name]!(file);
    const summary = await push([file], scene.options('/f'));
    expect(summary).toMatchObject({ excluded: 0 });
    expect(summary.bytesMoved).toBeLessThan(SIZE * 0.75);
    expect(await scene.fetch('/f')).toEqual(readFileSync(file));
  },
);

test.each([0, CHUNKS - 1])(
  'a push that reads again finds other bytes in chunk %i under the old time',
  async (chunk) => {
    const scene = await openScene();
    const file = oneFile();
    settleTime(file);
    const report = whenMoved(scene, SIZE / 2, () => rewriteUnseen(file, chunk));
    expect(await push([file], scene.options('/f', { report, parallel: 2 }))).toMatchObject({ excluded: 0 });
    expect(await scene.fetch('/f')).toEqual(readFileSync(file));
  },
);

test('the next run of a push finds other bytes under the old time when it reads again', async () => {
  const scene = await openScene();
  const file = oneFile();
  settleTime(file);
  await interrupted(scene, file);
  rewriteUnseen(file, 0);
  const summary = await push([file], scene.options('/f'));
  expect(summary).toMatchObject({ excluded: 0 });
  expect(summary.bytesMoved).toBeLessThan(SIZE * 0.75);
  expect(await scene.fetch('/f')).toEqual(readFileSync(file));
});

test('only what a remount, a link or a chmod changes may leave the bytes of a source as they are', () => {
  expect(mayHaveSameBytes('1:2:3:4:5', '6:7:3:4:8')).toBe(true);
  expect(mayHaveSameBytes('1:2:3:-4:5', '1:2:3:-4:-5')).toBe(true);
  expect(mayHaveSameBytes('1:2:3:4:5', '1:2:4:4:5')).toBe(false);
  expect(mayHaveSameBytes('1:2:3:4:5', '1:2:3:5:5')).toBe(false);
  expect(mayHaveSameBytes('"etag"', '"etag"')).toBe(false);
});

/** A push that ends after half of its bytes, and has them written down. */
async function interrupted(scene: Scene, file: string): Promise<void> {
  const controller = new AbortController();
  const report = whenMoved(scene, SIZE / 2, () => controller.abort(new CairnError('terminated', 'stop')));
  const { signal } = controller;
  const options = scene.options('/f', { report, signal, parallel: 2 });
  expect(await codeOf(push([file], options))).toBe('terminated');
}
