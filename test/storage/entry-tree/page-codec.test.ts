import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparePaths } from '../../../src/base/safe-path.ts';
import type { Entry } from '../../../src/manifest/entry.ts';
import { decodeBranch, encodeBranch, type PageRef } from '../../../src/storage/entry-tree/branch-codec.ts';
import { isIdCut, isPathCut } from '../../../src/storage/entry-tree/cut.ts';
import { decodeLeaf, encodeLeaf } from '../../../src/storage/entry-tree/leaf-codec.ts';
import { identityOf, type TreeEntry } from '../../../src/storage/entry-tree/tree-entry.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { leafDirectory, leafFile } from './trees.ts';

const count = fc.maxSafeNat();
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((text) => text.isWellFormed() && !/[/\0\ufffd]|^\.{1,2}$|^\.cairn/.test(text));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
const key = fc.constantFrom('c/s1/n/0-aa-1', 'c/s1/n/1-bb-2', 'c/s2/n/0-cc-3', 'flat');
const extents = fc.array(fc.record({ key, from: count, lengthBytes: fc.integer({ min: 1, max: 2 ** 40 }) }), {
  maxLength: 4,
});
const mtimeNs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

function made(type: Entry['type'], changes: Partial<Entry>): Entry {
  return { type, path: '', sizeBytes: 0, mode: 0, mtimeNs: 0n, linkTarget: '', ...changes };
}

const entry = fc.oneof(
  fc
    .record({
      path,
      mode: fc.integer({ min: 0, max: 0o777 }),
      mtimeNs,
      runs: extents,
      more: fc.option(fc.tuple(fc.string(), name)),
    })
    .map(({ runs, more, ...facts }): TreeEntry => {
      const sizeBytes = runs.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      const file = made('file', { ...facts, sizeBytes });
      if (more === null) return { entry: file, extents: runs };
      return { entry: { ...file, metadata: more[0] }, extents: runs, identity: more[1] };
    }),
  fc
    .record({ path, mode: fc.integer({ min: 0, max: 0o7777 }), mtimeNs })
    .map((facts): TreeEntry => ({ entry: made('directory', facts), extents: [] })),
  fc
    .record({ path, mtimeNs, linkTarget: name })
    .map((facts): TreeEntry => ({ entry: made('symlink', facts), extents: [] })),
);
const leaf = fc
  .uniqueArray(entry, { selector: (each) => each.entry.path, maxLength: 30 })
  .map((entries) => entries.toSorted((a, b) => comparePaths(a.entry.path, b.entry.path)));

describe('pages of the entry tree', () => {
  it('a leaf decodes to the entries that it was made of', () => {
    fc.assert(
      fc.property(leaf, (entries) => {
        const bytes = encodeLeaf(entries);
        expect(decodeLeaf(bytes)).toEqual(entries);
      }),
    );
  });

  it('bytes that differ from a leaf are refused, or decode to other entries', () => {
    fc.assert(
      fc.property(leaf, fc.nat(), fc.integer({ min: 1, max: 255 }), (entries, at, change) => {
        const bytes = encodeLeaf(entries);
        bytes[at % bytes.byteLength]! ^= change;
        let decoded: TreeEntry[] | undefined;
        try {
          decoded = decodeLeaf(bytes);
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(
            /^(storage-io|path-unsafe|path-reserved|path-too-long|manifest-invalid)$/,
          );
        }
        // Bytes that decode are those of other entries; bytes that nobody wrote have another id anyway.
        if (decoded !== undefined) expect(decoded).not.toEqual(entries);
      }),
    );
  });

  it('a branch decodes to its pages and places, and its id does not depend on the places', () => {
    const ref = fc.record({
      id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((id) => Buffer.from(id).toString('hex')),
      first: path,
      entries: fc.integer({ min: 1, max: 2 ** 30 }),
      place: fc.record({ key, offset: fc.nat(), lengthBytes: fc.nat() }),
    });
    const branch = fc
      .uniqueArray(ref, { selector: ({ first }) => first, minLength: 1, maxLength: 20 })
      .map((pages) => pages.toSorted((a, b) => comparePaths(a.first, b.first)));
    fc.assert(
      fc.property(branch, fc.integer({ min: 0, max: 11 }), (pages, level) => {
        const refs = pages.map((page): PageRef => ({ ...page, level }));
        const { id, bytes } = encodeBranch(refs);
        expect(decodeBranch(bytes)).toEqual({ id, pages: refs });
        const place = { key: 'elsewhere', offset: 1, lengthBytes: 2 };
        expect(encodeBranch(refs.map((page) => ({ ...page, place }))).id).toBe(id);
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['another kind', '5801'],
    ['a later version', '4c02000000'],
    ['more entries than bytes', '4c010000ff7f'],
    ['a number without an end', '4c01ffffffffffffffffff'],
    ['a number that is written longer than it need be', '4c01800000'],
    ['bytes behind the end', '4c0100000000'],
    ['an object that is not named', '4c01000001000161000000000000000000000001000101'],
  ])('the codec refuses %s as a leaf', async (_what, hex) => {
    expect(await codeOf(() => decodeLeaf(Buffer.from(hex, 'hex')))).toBe('storage-io');
  });

  it('the codec refuses a leaf whose entries are out of order', async () => {
    const bytes = encodeLeaf([leafFile('b'), leafFile('a')]);
    expect(await codeOf(() => decodeLeaf(bytes))).toBe('storage-io');
  });

  it('leaves and branches of the same entries have the same bytes and ids in every version', () => {
    const entries: TreeEntry[] = [
      leafDirectory('d'),
      leafFile('d/a', 'hello'),
      { ...leafFile('d/ab', 'xy'), identity: 'kept' },
      { entry: made('symlink', { path: 'link', linkTarget: 'd/ä', mtimeNs: 1n }), extents: [] },
      leafFile('nothing', '', { metadata: '{"uid":1}' }),
    ];
    const bytes = encodeLeaf(entries);
    const id = createHash('sha256').update(bytes).digest('hex');
    expect(bytes.toString('hex')).toMatchInlineSnapshot(
      `"4c010106632f732f6e2f02000568656c6c6f000278790500016401ed03fffffffffffffffb01022f6100a40316345785dffbcd150100070503016220a40316345785dffbcd15046b6570740101070200046c696e6b0200000000000000000104642fc3a400076e6f7468696e6710a40316345785dffbcd15097b22756964223a317d00"`,
    );
    expect(entries.map(identityOf)).toMatchInlineSnapshot(`
      [
        "E90fVv0SsUiQ0PtEYdLZwo",
        "AIwFCzfMwN28U_1hQePKJq",
        "kept",
        "hCc_lYInzaLKlgTUtHodWa",
        "ucWjs9wEhogaGFou7a4kxE",
      ]
    `);
    const place = { key: 'c/s/n/t-1', offset: 300, lengthBytes: bytes.byteLength };
    const branch = encodeBranch([{ id, level: 0, first: 'd', entries: 5, place }]);
    expect(branch.bytes.toString('hex')).toMatchInlineSnapshot(
      `"4201010101642780de88f68fc78c93b366e76e731be8f7d6500a01446b47fffa1bf14c08f22c050109632f732f6e2f742d3100ac028301"`,
    );
    expect(branch.id).toMatchInlineSnapshot(
      `"63508c503a081381f5799cc04c4a13b16ce51648c684f6de79bb733fd1b76a66"`,
    );
    const paths = Array.from({ length: 500 }, (_, n) => `file ${n}`);
    expect(paths.filter(isPathCut)).toMatchInlineSnapshot(`
      [
        "file 65",
        "file 235",
        "file 240",
        "file 284",
        "file 476",
        "file 481",
        "file 496",
      ]
    `);
    expect([isIdCut(id), isIdCut('00000040'.padEnd(64, '1')), isIdCut('00000041'.padEnd(64, '0'))]).toEqual([
      expect.any(Boolean),
      true,
      false,
    ]);
  });
});
