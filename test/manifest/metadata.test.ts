/** Manifests of version 2: entries with owners, attributes, lists and hard links. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { Entry } from '../../src/manifest/entry.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import { createLinkFinder, hardLink, indexOfPath } from '../../src/manifest/hard-links.ts';
import { createManifest, decodeEntry, decodeHeader, encodeManifest } from '../../src/manifest/manifest.ts';
import { createManifestReader } from '../../src/manifest/manifest-reader.ts';
import {
  type AclLine,
  encodeMetadata,
  type EntryMetadata,
  localMetadata,
  METADATA_KINDS,
  narrowMetadata,
  parseMetadata,
} from '../../src/manifest/metadata.ts';
import { arbitraryTree, entryOf } from './arbitrary-tree.ts';

const PARAMETERS = { chunkSizeBytes: 65_536, digest: 'xxh64', metadata: METADATA_KINDS } as const;
const HEADER = `["cairn-manifest",2,65536,"xxh64",${JSON.stringify(METADATA_KINDS)}]`;

const id = fc.integer({ min: 0, max: 2 ** 32 - 2 });
const name = fc
  .string({ minLength: 1, maxLength: 12 })
  .filter((text) => !/[\0\n:/]/.test(text) && text.isWellFormed());
const permissions = fc.integer({ min: 0, max: 7 });
const aclLine: fc.Arbitrary<AclLine> = fc.oneof(
  fc.tuple(fc.constantFrom(1, 4, 16, 32), permissions),
  fc.tuple(fc.constantFrom(2, 8), permissions, id),
  fc.tuple(fc.constantFrom(2, 8), permissions, id, name),
);
const acl = fc.array(aclLine, { minLength: 1, maxLength: 6 });
const xattrs = fc
  .dictionary(
    fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !text.includes('\0') && text.isWellFormed()),
    fc.uint8Array({ maxLength: 100 }),
    { minKeys: 1, maxKeys: 5 },
  )
  .map((values) =>
    Object.entries(values)
      .map(([key, value]): [string, string] => [`user.${key}`, Buffer.from(value).toString('base64')])
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });
const metadata: fc.Arbitrary<EntryMetadata> = fc.record({
  acl: optional(acl),
  defaultAcl: optional(acl),
  gid: id,
  group: optional(name),
  uid: id,
  user: optional(name),
  xattrs: optional(xattrs),
});

/** Trees in which every entry has metadata, and some files further names. */
const tree = fc
  .tuple(arbitraryTree(fc.nat(100_000)), fc.infiniteStream(metadata), fc.infiniteStream(fc.nat(3)))
  .map(([entries, all, dice]) => {
    let first: string | undefined;
    return entries.map((entry): Entry => {
      if (entry.type === 'file' && first !== undefined && dice.next().value === 0)
        return hardLink(entry.path, first);
      if (entry.type === 'file') first ??= entry.path;
      const { acl: list, defaultAcl, xattrs: attributes, ...owners } = all.next().value as EntryMetadata;
      const isLink = entry.type === 'symlink';
      const lists = isLink ? {} : { acl: list, xattrs: attributes };
      const inherited = entry.type === 'directory' ? { defaultAcl } : {};
      return { ...entry, metadata: encodeMetadata({ ...owners, ...lists, ...inherited }) };
    });
  });

function read(text: string) {
  const reader = createManifestReader();
  for (const line of text.split('\n').slice(0, -1)) reader.line(line);
  return reader.finish();
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
  return 'none';
}

describe('manifests with metadata', () => {
  it('a manifest with metadata is read as the tree that it was, with the same id', () => {
    fc.assert(
      fc.property(tree, (entries) => {
        const manifest = createManifest(PARAMETERS, entries);
        const again = read([...encodeManifest(manifest)].join(''));
        expect([...again.entries]).toEqual(entries);
        expect([again.id, again.metadata]).toEqual([manifest.id, METADATA_KINDS]);
      }),
    );
  });

  it('a manifest that carries no kind of metadata is the same as one without', () => {
    const entries = [entryOf('file', 'a')];
    const { metadata: _kinds, ...plain } = PARAMETERS;
    expect(createManifest({ ...plain, metadata: [] }, entries)).toEqual(createManifest(plain, entries));
  });

  it('an entry table of any length keeps the metadata of its entries', () => {
    const table = new EntryTable();
    const nth = (n: number): Entry =>
      entryOf('file', `f${n}`, n % 3 === 0 ? {} : { metadata: `{"uid":${n % 7000}}` });
    for (let n = 0; n < 20_000; n += 1) table.push(nth(n));
    for (const n of [0, 1, 4095, 4097, 12_287, 19_999]) expect(table.at(n)).toEqual(nth(n));
  });

  it.each([
    ['an unknown kind', '["cairn-manifest",2,65536,"xxh64",["owner","secrets"]]'],
    ['kinds out of order', '["cairn-manifest",2,65536,"xxh64",["owner","group"]]'],
    ['a kind twice', '["cairn-manifest",2,65536,"xxh64",["owner","owner"]]'],
    ['no kinds', '["cairn-manifest",2,65536,"xxh64",[]]'],
    ['kinds that are no list', '["cairn-manifest",2,65536,"xxh64","owner"]'],
    ['kinds in version 1', '["cairn-manifest",1,65536,"xxh64",["owner"]]'],
    ['another version', '["cairn-manifest",3,65536,"xxh64",["owner"]]'],
  ])('a manifest with metadata is refused for %s', (_what, line) => {
    expect(codeOf(() => decodeHeader(line))).toBe('manifest-invalid');
  });
});

describe('metadata of entries', () => {
  const file = (text: string): string => `["f","a",1,420,"0",${text}]`;
  const owned = (rest: string): string => file(`{${rest}"gid":1,"uid":1}`);
  const after = (rest: string): string => file(`{"gid":1,"uid":1,${rest}}`);

  it('the metadata of an entry is accepted in its canonical form', () => {
    const text =
      '{"acl":[[1,6],[2,4,7,"ann"]],"gid":4294967294,"group":"g","uid":0,"user":"root","xattrs":[["user.a",""]]}';
    expect(decodeEntry(file(text), METADATA_KINDS).metadata).toBe(text);
  });

  it.each([
    ['no owner', file('{"gid":1}')],
    ['no metadata at all', '["f","a",1,420,"0"]'],
    ['nothing in it', file('{}')],
    ['a list', file('[1]')],
    ['null', file('null')],
    ['an unknown member', after('"z":1')],
    ['__proto__', after('"__proto__":1')],
    ['members out of order', file('{"uid":1,"gid":1}')],
    ['the number that means "as it is"', file('{"gid":1,"uid":4294967295}')],
    ['a negative number', file('{"gid":-1,"uid":1}')],
    ['a number that is text', file('{"gid":"1","uid":1}')],
    ['a fraction', file('{"gid":1.5,"uid":1}')],
    ['a name with a colon', file('{"gid":1,"uid":1,"user":"a:b"}')],
    ['an empty name', file('{"gid":1,"uid":1,"user":""}')],
    ['a name of 257 characters', file(`{"gid":1,"uid":1,"user":"${'x'.repeat(257)}"}`)],
    ['a default list of a file', owned('"defaultAcl":[[1,7]],')],
    ['an empty list', owned('"acl":[],')],
    ['a list of too many lines', owned(`"acl":[${Array.from({ length: 1025 }, () => '[1,7]').join(',')}],`)],
    ['an unknown tag', owned('"acl":[[3,7]],')],
    ['a permission of 8', owned('"acl":[[1,8]],')],
    ['a number for the owner', owned('"acl":[[1,7,5]],')],
    ['no number for a user', owned('"acl":[[2,7]],')],
    ['an attribute of root', after('"xattrs":[["security.capability","AA=="]]')],
    ['an attribute of the system', after('"xattrs":[["system.posix_acl_access","AA=="]]')],
    ['an attribute without a name', after('"xattrs":[["user.",""]]')],
    ['NUL in a name', after(String.raw`"xattrs":[["user.\u0000",""]]`)],
    ['a name of 256 bytes', after(`"xattrs":[["user.${'é'.repeat(126)}",""]]`)],
    ['attributes out of order', after('"xattrs":[["user.b",""],["user.a",""]]')],
    ['an attribute twice', after('"xattrs":[["user.a",""],["user.a",""]]')],
    ['a value that is no base64', after('"xattrs":[["user.a","A"]]')],
    [
      'a value of more than 64 KiB',
      after(`"xattrs":[["user.a","${Buffer.alloc(65_537).toString('base64')}"]]`),
    ],
    [
      'more than one entry may have',
      after(
        `"xattrs":[${['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((key) => `["user.${key}","${Buffer.alloc(65_536).toString('base64')}"]`).join(',')}]`,
      ),
    ],
    ['a list of a symbolic link', '["l","a","b","0",{"acl":[[1,7]],"gid":1,"uid":1}]'],
    ['attributes of a symbolic link', '["l","a","b","0",{"gid":1,"uid":1,"xattrs":[["user.a",""]]}]'],
    ['a member behind it', '["f","a",1,420,"0",{"gid":1,"uid":1},1]'],
    ['a hard link with metadata', '["h","b","a",{"gid":1,"uid":1}]'],
    ['a stream', '["s","",420,"0"]'],
  ])('the metadata of an entry is refused with %s', (_what, line) => {
    expect(codeOf(() => decodeEntry(line, METADATA_KINDS))).toBe('manifest-invalid');
  });

  it.each([
    ['owner', '["f","a",1,420,"0",{"gid":1,"uid":1}]', ['group'] as const],
    ['names', '["f","a",1,420,"0",{"uid":1,"user":"x"}]', ['owner'] as const],
    ['xattrs', '["f","a",1,420,"0",{"uid":1,"xattrs":[["user.a",""]]}]', ['owner'] as const],
    ['acls', '["f","a",1,420,"0",{"acl":[[1,7]],"uid":1}]', ['owner'] as const],
    ['names', '["f","a",1,420,"0",{"acl":[[2,7,1,"x"]]}]', ['acls'] as const],
    ['hard-links', '["h","b","a"]', ['owner'] as const],
    ['all kinds', '["f","a",1,420,"0",{"uid":1}]', [] as const],
  ])('the metadata of an entry is refused where the header does not announce %s', (_kind, line, kinds) => {
    expect(codeOf(() => decodeEntry(line, kinds))).toBe('manifest-invalid');
  });

  it('the metadata of an entry gets the numbers that its names have on this machine', () => {
    const ids = {
      uidOf: (user: string) => (user === 'ann' ? 7 : undefined),
      gidOf: (group: string) => (group === 'staff' ? 8 : undefined),
    };
    const there = encodeMetadata({
      acl: [
        [1, 7],
        [2, 4, 2000, 'ann'],
        [2, 6, 5],
        [8, 4, 3000, 'staff'],
      ],
      uid: 1000,
      user: 'ann',
      gid: 1001,
      group: 'unknown',
    });
    expect(parseMetadata(localMetadata(there, ids))).toEqual({
      acl: [
        [1, 7],
        [2, 6, 5],
        [2, 4, 7],
        [8, 4, 8],
      ],
      gid: 1001,
      uid: 7,
    });
  });

  it('the metadata of an entry can be narrowed to some kinds', () => {
    fc.assert(
      fc.property(metadata, fc.subarray([...METADATA_KINDS]), (all, kinds) => {
        const parsed = parseMetadata(narrowMetadata(encodeMetadata(all), kinds));
        expect(parsed.uid).toBe(kinds.includes('owner') ? all.uid : undefined);
        expect(parsed.user).toBe(kinds.includes('owner') && kinds.includes('names') ? all.user : undefined);
        expect(parsed.xattrs).toEqual(kinds.includes('xattrs') ? all.xattrs : undefined);
        expect(parsed.acl?.length).toBe(kinds.includes('acls') ? all.acl?.length : undefined);
      }),
    );
  });
});

describe('hard links', () => {
  const lines = (...rest: string[]): string => [HEADER, ...rest, ''].join('\n');
  const owners = '{"gid":1,"uid":1}';

  it('a hard link names an earlier file', () => {
    const { entries } = read(lines(`["f","a",1,420,"0",${owners}]`, '["h","b","a"]'));
    expect(entries.at(1)).toEqual(hardLink('b', 'a'));
  });

  it.each([
    ['itself', ['["h","a","a"]']],
    ['a later entry', ['["h","a","b"]', `["f","b",1,420,"0",${owners}]`]],
    ['nothing', ['["h","b","a"]']],
    ['a directory', [`["d","a",493,"0",${owners}]`, '["h","b","a"]']],
    ['a symbolic link', [`["l","a","x","0",${owners}]`, '["h","b","a"]']],
    ['another hard link', [`["f","a",1,420,"0",${owners}]`, '["h","b","a"]', '["h","c","b"]']],
  ])('a hard link is refused where it names %s', (_what, all) => {
    expect(codeOf(() => read(lines(...all)))).toBe('manifest-invalid');
  });

  it.each([
    ['path-unsafe', '["h","b","../a"]'],
    ['path-unsafe', '["h","b","/etc/shadow"]'],
    ['path-reserved', '["h","b",".cairn/token"]'],
  ])('a hard link is refused with %s for %s', (code, line) => {
    expect(codeOf(() => read(lines(`["f","a",1,420,"0",${owners}]`, line)))).toBe(code);
  });

  it('a hard link is made only for further names of one inode', () => {
    const linked = createLinkFinder();
    const found = (path: string, inode: number, hasOtherNames = true) =>
      linked({ entry: entryOf('file', path), identity: `1:${inode}:0:0:0`, hasOtherNames }, `p/${path}`);
    expect(found('a', 5).path).toBe('p/a');
    expect(found('b', 6).type).toBe('file');
    expect(found('c', 5, false).type).toBe('file');
    expect(found('d', 5)).toEqual(hardLink('p/d', 'p/a'));
  });

  it('a path of a manifest is found by its place in the order', () => {
    fc.assert(
      fc.property(arbitraryTree(fc.nat(10)), (entries) => {
        const table = EntryTable.from(entries);
        for (const [index, { path }] of entries.entries()) {
          expect(indexOfPath(table, path)).toBe(index);
          expect(indexOfPath(table, path, index)).toBeUndefined();
        }
      }),
    );
  });
});
