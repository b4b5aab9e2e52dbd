import { expect, test } from 'vitest';
import { ChunkDigests } from '../../src/checkpoint/chunk-digests.ts';
import { StreamWindow } from '../../src/client/push/stream-window.ts';
import { codeOf } from './support/scene.ts';

const CHUNK = 10;
const digest = (value: number): Uint8Array => Uint8Array.of(value, 1, 1, 1);

function there(...chunks: number[]): ChunkDigests {
  const digests = new ChunkDigests(4);
  for (const chunk of chunks) digests.set(chunk, digest(chunk));
  return digests;
}

function fillAll(window: StreamWindow, bytes: Uint8Array): number {
  let at = 0;
  for (let taken = -1; taken !== 0 && at < bytes.length; at += taken) taken = window.fill(bytes.subarray(at));
  return at;
}

function send(window: StreamWindow, syncPoint: number): number {
  const chunk = window.take()!;
  chunk.digest = digest(chunk.chunk);
  window.sent(chunk, syncPoint);
  return chunk.chunk;
}

test('the window of a stream takes as much as it holds, and more once something is durable', () => {
  const window = new StreamWindow(CHUNK, 2, 4);
  const bytes = Uint8Array.from({ length: 35 }, (_, index) => index);
  expect(fillAll(window, bytes)).toBe(20);
  send(window, 1);
  expect(window.fill(bytes)).toBe(0);
  window.reached(1);
  expect(fillAll(window, bytes.subarray(20))).toBe(10);
  expect([...window.take()!.bytes]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  expect([...window.take()!.bytes]).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
});

test('the last chunk of a stream is short, and an empty stream has none', () => {
  const window = new StreamWindow(CHUNK, 4, 4);
  fillAll(window, new Uint8Array(13));
  window.end();
  expect([window.take()!.bytes.length, window.take()!.bytes.length]).toEqual([10, 3]);
  const empty = new StreamWindow(CHUNK, 4, 4);
  empty.end();
  expect([empty.take(), empty.bytesTotal]).toEqual([undefined, 0]);
});

test('the window of a stream sends again in a new epoch what was sent and is not there', () => {
  const window = new StreamWindow(CHUNK, 4, 4);
  fillAll(window, new Uint8Array(40));
  for (let i = 0; i < 3; i += 1) send(window, i);
  window.reached(0);
  const busy = window.take()!;
  busy.digest = digest(3);
  expect(window.restart(there(0, 1, 3)).map(({ chunk }) => chunk)).toEqual([2]);
  expect(busy.isSettled).toBe(true);
  window.sent(busy, 0);
  expect([window.open, window.uncovered]).toEqual([1, 0]);
  expect(window.digests.chunks.runs()).toEqual([0, 2, 3, 1]);
});

test('the window of a stream cannot send a durable chunk again that the server has lost', async () => {
  const window = new StreamWindow(CHUNK, 4, 4);
  fillAll(window, new Uint8Array(20));
  send(window, 0);
  window.reached(0);
  expect(await codeOf((async () => window.restart(there()))())).toBe('session-aborted');
});
