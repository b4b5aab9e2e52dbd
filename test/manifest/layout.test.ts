import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { Entry } from '../../src/manifest/entry.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import { createLayout, isStream, MAX_CHUNKS, type Layout, type Segment } from '../../src/manifest/layout.ts';
import { arbitraryTree, entryOf } from './arbitrary-tree.ts';
import { cpuNowMs } from '../support/cpu-time.ts';

/** Far below what a manifest may say: the layout does not care, and small numbers find more. */
const CHUNK = 100;

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 12 }),
  fc.integer({ min: 0, max: 450 }),
  fc.constantFrom(0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1),
);
const tree = arbitraryTree(sizes);
const presence = fc.func(fc.boolean());

const files = (...sizesOfFiles: number[]): Entry[] =>
  sizesOfFiles.map((sizeBytes, index) =>
    entryOf('file', `f${String(index).padStart(9, '0')}`, { sizeBytes }),
  );

const layoutOf = (entries: Entry[], isPresent?: (index: number) => boolean): Layout =>
  createLayout(
    { entries: EntryTable.from(entries), chunkSizeBytes: CHUNK },
    isPresent === undefined ? {} : { isPresent },
  );

const allSegments = (layout: Layout): Segment[][] =>
  Array.from({ length: layout.chunkCount }, (_, chunk) => [...layout.segmentsOf(chunk)]);

function codeOf(doing: () => unknown): string {
  try {
    doing();
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

/** What one can read off the documented rules, chunk by chunk: entry index, entry offset, length. */
function shapeOf(layout: Layout): [number, number, number][][] {
  return allSegments(layout).map((segments) =>
    segments.map((s) => [s.entryIndex, s.entryOffset, s.lengthBytes]),
  );
}

describe('layouts of trees', () => {
  it('a layout puts every byte of every carried entry into exactly one segment', () => {
    fc.assert(
      fc.property(tree, presence, (entries, present) => {
        const isPresent = (index: number): boolean => present(index);
        const layout = layoutOf(entries, isPresent);
        const next = new Map<number, number>();
        for (const { entryIndex, entryOffset, lengthBytes } of allSegments(layout).flat()) {
          expect(entryOffset).toBe(next.get(entryIndex) ?? 0);
          expect(lengthBytes).toBeGreaterThan(0);
          next.set(entryIndex, entryOffset + lengthBytes);
        }
        const carried = entries.map(({ sizeBytes }, index) => (isPresent(index) ? 0 : sizeBytes));
        expect(entries.map((_, index) => next.get(index) ?? 0)).toEqual(carried);
        expect(layout.bytesTotal).toBe(carried.reduce((sum, bytes) => sum + bytes, 0));
      }),
    );
  });

  it('a layout fills each chunk from its start without gaps, and never over the chunk size', () => {
    fc.assert(
      fc.property(tree, presence, (entries, present) => {
        const layout = layoutOf(entries, (index) => present(index));
        for (const [chunk, segments] of allSegments(layout).entries()) {
          let at = 0;
          for (const segment of segments) {
            expect(segment.chunkOffset).toBe(at);
            at += segment.lengthBytes;
          }
          expect(at).toBe(layout.chunkLengthBytes(chunk));
          expect(at).toBeGreaterThan(0);
          expect(at).toBeLessThanOrEqual(CHUNK);
        }
      }),
    );
  });

  it('a layout agrees with itself: the chunks of an entry are those in whose segments it is', () => {
    fc.assert(
      fc.property(tree, presence, (entries, present) => {
        const layout = layoutOf(entries, (index) => present(index));
        const segments = allSegments(layout);
        for (const index of entries.keys()) {
          const { first, count } = layout.chunksOf(index);
          const inSegments = segments.flatMap((s, chunk) =>
            s.some((x) => x.entryIndex === index) ? [chunk] : [],
          );
          expect(Array.from({ length: count }, (_, n) => first + n)).toEqual(inSegments);
        }
      }),
    );
  });

  it('a layout treats a file of carried parts as a file of so many bytes', () => {
    fc.assert(
      fc.property(tree, fc.func(fc.option(fc.nat(250), { nil: undefined })), (entries, partsOf) => {
        const bytesOf = (index: number): number => partsOf(index) ?? entries[index]!.sizeBytes;
        const manifest = { entries: EntryTable.from(entries), chunkSizeBytes: CHUNK };
        const layout = createLayout(manifest, { partsBytesOf: (index) => partsOf(index) });
        const smaller = entries.map((entry, index) => ({
          ...entry,
          type: 'file' as const,
          sizeBytes: bytesOf(index),
        }));
        expect(allSegments(layout)).toEqual(allSegments(layoutOf(smaller)));
        expect(layout.bytesTotal).toBe(layoutOf(smaller).bytesTotal);
      }),
    );
  });

  it('a layout knows how much of an entry is carried, and whether it has chunks of its own', () => {
    fc.assert(
      fc.property(tree, presence, (entries, present) => {
        const layout = layoutOf(entries, (index) => present(index));
        for (const [index, { sizeBytes }] of entries.entries()) {
          const carried = present(index) ? 0 : sizeBytes;
          expect(layout.carriedBytesOf(index)).toBe(carried);
          expect(layout.isLarge(index)).toBe(carried >= CHUNK);
        }
      }),
    );
  });

  it('a layout is the same whenever it is computed, and ignores names, modes and times', () => {
    fc.assert(
      fc.property(tree, (entries) => {
        const renamed = entries.map((entry, n) => ({ ...entry, path: `x${n}`, mode: 0, mtimeNs: 7n }));
        expect(allSegments(layoutOf(entries))).toEqual(allSegments(layoutOf(entries)));
        expect(allSegments(layoutOf(renamed))).toEqual(allSegments(layoutOf(entries)));
      }),
    );
  });

  it('a layout gives an entry of at least one chunk its own chunks, and keeps smaller ones whole', () => {
    fc.assert(
      fc.property(tree, (entries) => {
        const layout = layoutOf(entries);
        for (const segments of allSegments(layout)) {
          const large = segments.filter(({ entryIndex }) => entries[entryIndex]!.sizeBytes >= CHUNK);
          if (large.length > 0) expect(segments).toHaveLength(1);
          for (const { entryIndex, lengthBytes } of segments) {
            const { sizeBytes } = entries[entryIndex]!;
            if (sizeBytes < CHUNK) expect(lengthBytes).toBe(sizeBytes);
          }
        }
      }),
    );
  });

  it.each([
    ['nothing of nothing', [], []],
    ['nothing of empty files', [0, 0], []],
    ['one small file', [5], [[[0, 0, 5]]]],
    ['exactly one chunk', [100], [[[0, 0, 100]]]],
    ['one byte more', [101], [[[0, 0, 100]], [[0, 100, 1]]]],
    ['an exact multiple', [200], [[[0, 0, 100]], [[0, 100, 100]]]],
    [
      'small files that fill a chunk exactly',
      [40, 60, 1],
      [
        [
          [0, 0, 40],
          [1, 0, 60],
        ],
        [[2, 0, 1]],
      ],
    ],
    [
      'small files of which one no longer fits',
      [40, 61, 39],
      [
        [[0, 0, 40]],
        [
          [1, 0, 61],
          [2, 0, 39],
        ],
      ],
    ],
    [
      'small ones around empty ones',
      [40, 0, 60],
      [
        [
          [0, 0, 40],
          [2, 0, 60],
        ],
      ],
    ],
    ['small ones around a large one', [1, 100, 1], [[[0, 0, 1]], [[1, 0, 100]], [[2, 0, 1]]]],
    ['no packing into the rest of a large one', [150, 10], [[[0, 0, 100]], [[0, 100, 50]], [[1, 0, 10]]]],
  ] as [string, number[], [number, number, number][][]][])(
    'a layout packs as documented: %s',
    (_what, given, expected) => {
      expect(shapeOf(layoutOf(files(...given)))).toEqual(expected);
    },
  );

  it('a layout leaves out what the receiver has, as if it were not there', () => {
    const entries = files(40, 100, 60, 30);
    expect(shapeOf(layoutOf(entries, (index) => index === 1))).toEqual([
      [
        [0, 0, 40],
        [2, 0, 60],
      ],
      [[3, 0, 30]],
    ]);
    expect(layoutOf(entries, (index) => index === 1).chunksOf(1)).toEqual({ first: 0, count: 0 });
    expect(layoutOf(entries, () => true)).toMatchObject({ chunkCount: 0, bytesTotal: 0 });
  });

  it('a layout carries nothing of directories and symlinks', () => {
    const entries = [entryOf('directory', ''), entryOf('symlink', 'l'), entryOf('directory', 'm')];
    expect(layoutOf(entries)).toMatchObject({ chunkCount: 0, bytesTotal: 0 });
  });

  it('a layout refuses chunks that it does not have', () => {
    const layout = layoutOf(files(250));
    for (const chunk of [-1, 3, 0.5, Number.NaN, 2 ** 40]) {
      expect(codeOf(() => layout.segmentsOf(chunk))).toBe('chunk-out-of-range');
      expect(codeOf(() => layout.chunkLengthBytes(chunk))).toBe('chunk-out-of-range');
    }
  });

  it('a layout refuses more chunks than there are numbers for', () => {
    expect(layoutOf(files(CHUNK * MAX_CHUNKS)).chunkCount).toBe(MAX_CHUNKS);
    expect(codeOf(() => layoutOf(files(CHUNK * MAX_CHUNKS + 1)))).toBe('manifest-too-large');
    expect(codeOf(() => layoutOf(files(CHUNK * MAX_CHUNKS, 1)))).toBe('manifest-too-large');
    expect(codeOf(() => layoutOf(files(Number.MAX_SAFE_INTEGER)))).toBe('manifest-too-large');
  });

  it('a layout of 200,000 entries is computed and searched in less than 3 seconds of a processor', () => {
    const entries = Array.from({ length: 200_000 }, (_, index) =>
      entryOf('file', `f${index}`, { sizeBytes: index % 1000 === 0 ? 250 : index % 90 }),
    );
    const began = cpuNowMs();
    const layout = layoutOf(entries);
    let bytes = 0;
    let carried = 0;
    for (let chunk = 0; chunk < layout.chunkCount; chunk++) bytes += layout.chunkLengthBytes(chunk);
    for (let index = 0; index < entries.length; index++) carried += layout.chunksOf(index).count > 0 ? 1 : 0;
    expect(bytes).toBe(layout.bytesTotal);
    expect(carried).toBe(entries.filter(({ sizeBytes }) => sizeBytes > 0).length);
    expect(cpuNowMs() - began).toBeLessThan(3000);
  });
});

describe('layouts of streams', () => {
  const entries = EntryTable.from([entryOf('stream', '')]);
  const streamOf = (streamSizeBytes?: number): Layout =>
    createLayout({ entries, chunkSizeBytes: CHUNK }, { streamSizeBytes });

  it('the layout of a stream does not need the size: each chunk is where it will be in the end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (sizeBytes) => {
        const known = streamOf(sizeBytes);
        const unknown = streamOf();
        for (let chunk = 0; chunk < known.chunkCount - 1; chunk++) {
          expect([...unknown.segmentsOf(chunk)]).toEqual([...known.segmentsOf(chunk)]);
        }
        const last = known.chunkCount - 1;
        expect(known.chunkLengthBytes(last)).toBe(sizeBytes - last * CHUNK);
        expect(known.chunkLengthBytes(last)).toBeLessThanOrEqual(unknown.chunkLengthBytes(last));
        expect(known.bytesTotal).toBe(sizeBytes);
      }),
    );
  });

  it.each([
    [0, 0],
    [1, 1],
    [CHUNK, 1],
    [CHUNK + 1, 2],
    [3 * CHUNK, 3],
  ])('the layout of a stream of %i bytes has %i chunks', (sizeBytes, chunkCount) => {
    expect(streamOf(sizeBytes)).toMatchObject({ chunkCount, bytesTotal: sizeBytes });
    expect(streamOf(sizeBytes).chunksOf(0)).toEqual({ first: 0, count: chunkCount });
    expect(streamOf(sizeBytes).isLarge(0)).toBe(true);
    expect(streamOf(sizeBytes).carriedBytesOf(0)).toBe(sizeBytes);
  });

  it('the layout of a stream says that its size is unknown while it is', () => {
    expect(streamOf()).toMatchObject({ chunkCount: MAX_CHUNKS, bytesTotal: undefined });
    expect(isStream({ entries })).toBe(true);
    expect(isStream({ entries: EntryTable.from(files(1)) })).toBe(false);
    expect(isStream({ entries: new EntryTable() })).toBe(false);
  });

  it('the layout of a stream that needs too many chunks is refused', () => {
    expect(codeOf(() => streamOf(CHUNK * MAX_CHUNKS + 1))).toBe('manifest-too-large');
    expect(codeOf(() => streamOf().segmentsOf(MAX_CHUNKS))).toBe('chunk-out-of-range');
    expect(codeOf(() => streamOf(100).segmentsOf(1))).toBe('chunk-out-of-range');
  });
});
