import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import { emptiedChunks } from '../../src/transfer/emptied-chunks.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import { createLayout, type Layout } from '../../src/manifest/layout.ts';

const CHUNK = 1000;

function treeOf(sizes: readonly number[], present: ReadonlySet<number> = new Set()): Layout {
  const entries = EntryTable.from(
    sizes.map((sizeBytes, index) => ({
      type: 'file' as const,
      path: `f${index}`,
      sizeBytes,
      mode: 0o644,
      mtimeNs: 0n,
      linkTarget: '',
    })),
  );
  const isPresent = (index: number): boolean => present.has(index);
  return createLayout({ entries, chunkSizeBytes: CHUNK }, { isPresent });
}

function setOf(indices: Iterable<number>): ChunkSet {
  const set = new ChunkSet();
  for (const index of indices) set.add(index);
  return set;
}

test('exactly those chunks count as emptied of which every entry is left out', () => {
  const row = fc.record({
    size: fc.oneof(fc.nat(300), fc.nat(5000)),
    isOut: fc.boolean(),
    isThere: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 40 }), (rows) => {
      const present = new Set(rows.flatMap(({ isThere }, index) => (isThere === 0 ? [index] : [])));
      const layout = treeOf(
        rows.map(({ size }) => size),
        present,
      );
      const excluded = setOf(rows.flatMap(({ isOut }, index) => (isOut ? [index] : [])));
      const expected = Array.from({ length: layout.chunkCount }, (_, chunk) => chunk).filter((chunk) =>
        [...layout.segmentsOf(chunk)].every(({ entryIndex }) => excluded.has(entryIndex)),
      );
      const { chunks, bytes } = emptiedChunks(layout, excluded);
      expect([...chunks.values()]).toEqual(expected);
      expect(bytes).toBe(expected.reduce((sum, chunk) => sum + layout.chunkLengthBytes(chunk), 0));
    }),
  );
});

test.each([
  ['all', 1000],
  ['all but the last', 999],
])('a chunk of a thousand files of which %s are left out is looked at once', (_, count) => {
  const layout = treeOf(Array.from({ length: 1000 }, () => 1));
  let looks = 0;
  const counted: Layout = {
    ...layout,
    carriesOnly: (chunk, isSuch) => {
      looks += 1;
      return layout.carriesOnly(chunk, isSuch);
    },
  };
  const { chunks, bytes } = emptiedChunks(counted, ChunkSet.fromRuns([0, count], 1000));
  expect([looks, chunks.size, bytes]).toEqual([1, count === 1000 ? 1 : 0, count === 1000 ? 1000 : 0]);
});

test('a file of sixteen million chunks that is left out is not looked at chunk by chunk', () => {
  const layout = treeOf([2 ** 24 * CHUNK]);
  const counted: Layout = { ...layout, carriesOnly: () => expect.fail('the chunks are all of one file') };
  const { chunks, bytes } = emptiedChunks(counted, ChunkSet.fromRuns([0, 1], 1));
  expect([chunks.runs(), bytes]).toEqual([[0, 2 ** 24], 2 ** 24 * CHUNK]);
});
