import { expect, test } from 'vitest';
import { chunkSizeFor, WISHED_CHUNKS } from '../../src/manifest/chunk-size.ts';

const MIB = 1024 * 1024;

test('chunks are from 1 to 8 MiB large, so that there are enough of them', () => {
  const sizes = [1, 200, 256, 600, 5000].map((mib) => chunkSizeFor(mib * MIB) / MIB);
  expect(sizes).toEqual([1, 1, 2, 4, 8]);
});

test('a transfer over a long line has more and smaller chunks', () => {
  const sizes = [1, 200, 256, 600, 5000].map(
    (mib) => chunkSizeFor(mib * MIB, WISHED_CHUNKS.onLongLine) / MIB,
  );
  expect(sizes).toEqual([1, 1, 1, 2, 8]);
});
