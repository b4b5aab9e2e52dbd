import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/manifest/entry.ts';
import { EntryTable, numbered } from '../../src/manifest/entry-table.ts';
import { StringTable } from '../../src/manifest/string-table.ts';
import { decodeStrings, encodeStrings } from '../../src/manifest/string-lines.ts';
import { entryOf } from './arbitrary-tree.ts';

/** Well-formed, of any plane. */
const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => value.isWellFormed());
/** Around the limits of a segment, and of a string that gets one of its own. */
const longText = fc
  .tuple(
    fc.constantFrom('a', 'é', '語', '😀'),
    fc.constantFrom(16_383, 21_845, 32_767, 65_534, 65_535, 70_000),
  )
  .map(([unit, count]) => unit.repeat(count));
const entry: fc.Arbitrary<Entry> = fc.record({
  type: fc.constantFrom('file', 'directory', 'symlink', 'stream'),
  path: text,
  sizeBytes: fc.oneof(fc.constantFrom(0, Number.MAX_SAFE_INTEGER), fc.maxSafeNat()),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  linkTarget: fc.oneof(fc.constant(''), text),
});

describe('entry tables', () => {
  it('an entry table gives back the entries that were put in', () => {
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const table = EntryTable.from(entries);
        expect(table.length).toBe(entries.length);
        expect([...table]).toEqual(entries);
        expect(table.slice(1, 3)).toEqual(entries.slice(1, 3));
        expect([...numbered(table)]).toEqual([...entries.entries()]);
        for (const [index, { path, sizeBytes, type }] of entries.entries()) {
          expect(table.at(index)).toEqual(entries[index]);
          expect([table.pathOf(index), table.sizeOf(index), table.typeOf(index)]).toEqual([
            path,
            sizeBytes,
            type,
          ]);
        }
      }),
    );
  });

  it('an entry table has nothing outside of its bounds', () => {
    const table = EntryTable.from([entryOf('file', 'a')]);
    expect([-1, 0.5, 1, Number.NaN, Infinity].map((index) => table.at(index))).toEqual(
      Array.from({ length: 5 }),
    );
  });

  it('an entry table grows over many pages', () => {
    const table = new EntryTable();
    const nth = (n: number): Entry => entryOf('file', `f${n}`, { sizeBytes: n, mtimeNs: BigInt(-n) });
    for (let n = 0; n < 30_000; n += 1) table.push(nth(n));
    for (const n of [0, 4095, 4096, 8191, 8192, 29_999]) expect(table.at(n)).toEqual(nth(n));
    expect(table.at(30_000)).toBeUndefined();
  });

  it('an entry table takes 26 bytes for an entry beside its path', () => {
    const count = 200_000;
    const nth = (n: number): Entry => entryOf('file', `dir/file-${String(n).padStart(11, '0')}`);
    const before = process.memoryUsage().arrayBuffers;
    const table = new EntryTable();
    for (let n = 0; n < count; n += 1) table.push(nth(n));
    const bytes = process.memoryUsage().arrayBuffers - before;
    expect(table.pathOf(count - 1)).toHaveLength(20);
    expect(bytes).toBeLessThan(count * (26 + 20) * 1.1);
  });
});

describe('string tables', () => {
  it('a string table gives back the strings that were put in, also after encoding it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 20, arbitrary: text }, { weight: 1, arbitrary: longText })),
        async (texts) => {
          const table = new StringTable();
          for (const value of texts) table.push(value);
          expect(table.length).toBe(texts.length);
          expect([...table]).toEqual(texts);
          expect(texts.map((_, index) => table.at(index))).toEqual(texts);
          if (texts.some((value) => value.length > 10_000)) return;
          const bytes = Array.from(encodeStrings(table), (lines) => Buffer.from(lines));
          expect([...(await decodeStrings(pieces(bytes)))]).toEqual(texts);
        },
      ),
    );
  });

  it('a string table refuses lines that are no strings, or cut', async () => {
    const decode = (lines: string): Promise<unknown> => decodeStrings(pieces([Buffer.from(lines)]));
    await expect(decode('"a"\n7\n')).rejects.toThrow(SyntaxError);
    await expect(decode('"a"\n"b')).rejects.toMatchObject({ code: 'chunk-incomplete' });
  });
});

async function* pieces(all: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield* all;
}
