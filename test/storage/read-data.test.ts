/** Sparse files are read without their holes, and give the same bytes. */
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { FindData } from '../../src/base/file-holes.ts';
import { loadNative } from '../../src/base/native.ts';
import { readData } from '../../src/storage/disk/tree/read-data.ts';
import { temporaryDirectory } from '../support/trees.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZE = 6 * MIB + 123;

/** A file of this size with bytes that are not zero in these ranges; its path, and an open descriptor. */
function sparseFile(ranges: readonly (readonly [from: number, length: number])[], sizeBytes = SIZE) {
  const file = join(temporaryDirectory(), 'sparse');
  const fd = openSync(file, 'w+');
  onTestFinished(() => closeSync(fd));
  ftruncateSync(fd, sizeBytes);
  for (const [from, length] of ranges) writeSync(fd, Buffer.alloc(length, 0xa5), 0, length, from);
  return { file, fd };
}

async function bytesOf(
  fd: number,
  findData: FindData | undefined,
  range = { from: 0, to: SIZE },
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readData(fd, range, findData)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

const native = await loadNative();

test.skipIf(native === undefined)('any range of a sparse file reads as its bytes (needs koffi)', async () => {
  const place = fc.tuple(fc.integer({ min: 0, max: SIZE - 1 }), fc.integer({ min: 1, max: 700 * KIB }));
  await fc.assert(
    fc.asyncProperty(fc.array(place, { maxLength: 8 }), place, async (ranges, [from, length]) => {
      const inside = ranges.map(([at, bytes]) => [at, Math.min(bytes, SIZE - at)] as const);
      const { file, fd } = sparseFile(inside);
      const range = { from, to: Math.min(SIZE, from + 4 * length) };
      const expected = readFileSync(file).subarray(range.from, range.to);
      expect((await bytesOf(fd, native!.findData, range)).equals(expected)).toBe(true);
      expect((await bytesOf(fd, undefined, range)).equals(expected)).toBe(true);
    }),
    { numRuns: 25 },
  );
});

test.skipIf(native === undefined)(
  'a hole of a file is found where the file system has one (needs koffi)',
  () => {
    const { file, fd } = sparseFile([[3 * MIB, MIB]]);
    const { from, to } = native!.findData(fd, 0);
    // On a file system without holes all of the file is data.
    const hasHoles = statSync(file).blocks * 512 < SIZE;
    expect([from, to]).toEqual(hasHoles ? [3 * MIB, 4 * MIB] : [0, SIZE]);
    if (hasHoles) expect(native!.findData(fd, 5 * MIB).from).toBe(Infinity);
  },
);

test('a read skips a long hole of a file, and reads a short one', async () => {
  const { fd } = sparseFile([[0, SIZE]]);
  const places: readonly (readonly [number, number])[] = [
    [100 * KIB, 200 * KIB],
    [300 * KIB, MIB],
    [3 * MIB, 4 * MIB],
  ];
  const findData: FindData = (_fd, offset) => {
    const [from, to] = places.find((place) => place[1] > offset) ?? [Infinity, Infinity];
    return { from: Math.max(from, offset), to };
  };
  const bytes = await bytesOf(fd, findData);
  const zeroAt = (at: number): boolean => bytes[at] === 0;
  expect(bytes.byteLength).toBe(SIZE);
  expect([0, 250 * KIB, MIB - 1, 3 * MIB, 4 * MIB - 1].some(zeroAt)).toBe(false);
  expect([MIB, 2 * MIB, 3 * MIB - 1, 4 * MIB, SIZE - 1].every(zeroAt)).toBe(true);
});

test('a read does not ask for all holes of a file that has a great many', async () => {
  const { fd } = sparseFile([[0, SIZE]]);
  let asked = 0;
  const findData: FindData = (_fd, offset) => {
    asked += 1;
    const from = Math.ceil(offset / (8 * KIB)) * 8 * KIB;
    return { from, to: from + 4 * KIB };
  };
  expect((await bytesOf(fd, findData)).every((byte) => byte === 0xa5)).toBe(true);
  expect(asked).toBeLessThan(100);
});

test('a read of a file that has become shorter ends early, so that its reader notices', async () => {
  const { fd } = sparseFile([[0, SIZE]]);
  const findData: FindData = (_fd, offset) => {
    ftruncateSync(fd, 2 * MIB);
    return { from: offset, to: SIZE };
  };
  expect((await bytesOf(fd, findData)).byteLength).toBe(2 * MIB);
});
