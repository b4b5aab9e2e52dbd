import { expect, test } from 'vitest';
import { ChunkDigests } from '../../src/checkpoint/chunk-digests.ts';
import { ChunkBoard } from '../../src/client/transfer/chunk-board.ts';

const digest = (value: number): Uint8Array => Uint8Array.of(value, 1, 1, 1);

function there(...chunks: [number, number][]): ChunkDigests {
  const digests = new ChunkDigests(4);
  for (const [chunk, value] of chunks) digests.set(chunk, digest(value));
  return digests;
}

test('a chunk board hands chunks out once, lowest first, and again those that were given back', () => {
  const board = new ChunkBoard(3, 4);
  expect([board.take(), board.take()]).toEqual([0, 1]);
  board.giveBack(0);
  expect([board.take(), board.take(), board.take()]).toEqual([0, 2, undefined]);
  expect(board.open).toBe(3);
});

test('a finished chunk of a chunk board is durable once its sync point is reached', () => {
  const board = new ChunkBoard(2, 4);
  board.take();
  board.take();
  board.finish(0, digest(0), 5);
  board.finish(1, digest(1), 6);
  expect(board.reached(4)).toEqual([]);
  expect(board.reached(5).map(([chunk]) => chunk)).toEqual([0]);
  expect(board.isDurable(0)).toBe(true);
  expect(board.isDurable(1)).toBe(false);
  expect(board.open).toBe(0);
});

test('a chunk board hands out again what is not there in a new epoch, and confirms what is', () => {
  const board = new ChunkBoard(5, 4);
  for (let i = 0; i < 4; i += 1) board.take();
  board.finish(0, digest(0), 1);
  board.finish(1, digest(1), 1);
  board.finish(2, digest(2), 2);
  board.reached(1);
  board.digests.set(3, digest(3));
  const { lost, durable } = board.restart(there([0, 0], [2, 99], [3, 3]));
  expect(lost).toEqual([1, 2]);
  expect(durable.map(([chunk]) => chunk)).toEqual([3]);
  expect([board.take(), board.take(), board.take()]).toEqual([1, 2, 4]);
  expect(board.reached(9)).toEqual([]);
});

test('a chunk board hands out neither skipped nor reserved chunks, until they are missed', () => {
  const board = new ChunkBoard(3, 4);
  board.reserve(0);
  board.skip(1);
  expect([board.take(), board.take()]).toEqual([2, undefined]);
  board.trust(0, digest(0));
  expect(board.restart(there([0, 0])).lost).toEqual([]);
  board.miss([0, 1]);
  expect([board.take(), board.take()]).toEqual([0, 1]);
});
