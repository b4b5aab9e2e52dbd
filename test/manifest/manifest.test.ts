import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { Entry } from '../../src/manifest/entry.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import {
  createManifest,
  decodeEntry,
  decodeHeader,
  encodeEntry,
  encodeHeader,
  encodeManifest,
  isChunkSize,
  TreeChecker,
} from '../../src/manifest/manifest.ts';
import { createManifestReader, splitLines } from '../../src/manifest/manifest-reader.ts';
import { arbitraryTree, entryOf } from './arbitrary-tree.ts';

const PARAMETERS = { chunkSizeBytes: 1024 * 1024, digest: 'xxh64' } as const;
const tree = arbitraryTree(fc.maxSafeNat());

async function codeOf(doing: () => unknown): Promise<string> {
  try {
    await doing();
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

function readLines(text: string, limits?: { maxEntries: number; maxBytes: number }) {
  const reader = createManifestReader(limits);
  for (const line of text.split('\n').slice(0, -1)) reader.line(line);
  return reader.finish();
}

async function* slices(bytes: Uint8Array, sliceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes);
}

async function linesOf(source: AsyncIterable<Uint8Array>, maxLineBytes?: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const batch of splitLines(source, maxLineBytes)) lines.push(...batch);
  return lines;
}

describe('encoded manifests', () => {
  it('a manifest is read as the tree that it was, with the same id', () => {
    fc.assert(
      fc.property(tree, fc.constantFrom('xxh64' as const, 'sha256' as const), (entries, digest) => {
        const manifest = createManifest({ chunkSizeBytes: 65_536, digest }, entries);
        expect(readLines([...encodeManifest(manifest)].join(''))).toEqual(manifest);
      }),
    );
  });

  it('every other manifest has another id', () => {
    const entries = [entryOf('file', 'a', { sizeBytes: 1 })];
    const ids = [
      createManifest(PARAMETERS, entries),
      createManifest({ ...PARAMETERS, chunkSizeBytes: 65_536 }, entries),
      createManifest({ ...PARAMETERS, digest: 'sha256' }, entries),
      createManifest(PARAMETERS, []),
      ...[{ sizeBytes: 2 }, { mode: 0o600 }, { mtimeNs: 1n }, { path: 'b' }].map((change) =>
        createManifest(PARAMETERS, [{ ...entries[0]!, ...change }]),
      ),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('a manifest is the same, however many batches it comes in', () => {
    const entries = EntryTable.from(
      Array.from({ length: 1500 }, (_, n) => entryOf('file', `f${String(n).padStart(6, '0')}`)),
    );
    const batches = [...encodeManifest({ ...PARAMETERS, entries })];
    expect(batches.length).toBeGreaterThan(1);
    expect(batches.every((batch) => batch.endsWith('\n'))).toBe(true);
    expect(readLines(batches.join('')).entries).toEqual(entries);
  });

  it('an entry of a manifest has only the canonical form of a line', () => {
    const line = '["f","a",1,420,"0"]';
    expect(encodeEntry(decodeEntry(line))).toBe(line);
    fc.assert(
      fc.property(tree, (entries) => {
        for (const entry of entries) expect(decodeEntry(encodeEntry(entry))).toEqual(entry);
      }),
    );
  });

  it.each([
    ['a space', '["f", "a",1,420,"0"]'],
    ['an escape that is not needed', String.raw`["f","\u0061",1,420,"0"]`],
    ['an escaped slash', String.raw`["f","a\/b",1,420,"0"]`],
    ['an exponent', '["f","a",1e0,420,"0"]'],
    ['a point', '["f","a",1.0,420,"0"]'],
    ['a negative zero', '["f","a",-0,420,"0"]'],
    ['a negative zero as mtime', '["f","a",1,420,"-0"]'],
    ['an mtime with zeros in front', '["f","a",1,420,"007"]'],
    ['an mtime with a plus', '["f","a",1,420,"+7"]'],
    ['an mtime that is a number', '["f","a",1,420,7]'],
    ['a fractional mtime', '["f","a",1,420,"1.5"]'],
    ['an mtime past 63 bits', '["f","a",1,420,"9223372036854775808"]'],
    ['a field too many', '["f","a",1,420,"0",1]'],
    ['a field too few', '["f","a",1,420]'],
    ['an unknown type', '["x","a",1,420,"0"]'],
    ['an object', '{"type":"file"}'],
    ['no JSON', '["f","a",1,420,"0"'],
    ['nothing', ''],
    ['a size of 2^60', '["f","a",1152921504606846976,420,"0"]'],
    ['a negative size', '["f","a",-1,420,"0"]'],
    ['a fractional size', '["f","a",0.5,420,"0"]'],
    ['a size that is text', '["f","a","1",420,"0"]'],
    ['setuid on a file', '["f","a",1,2541,"0"]'],
    ['more mode bits than a directory has', '["d","a",4589,"0"]'],
    ['a negative mode', '["f","a",1,-1,"0"]'],
    ['an empty link target', '["l","a","","0"]'],
    ['NUL in a link target', String.raw`["l","a","x\u0000","0"]`],
    ['a lone surrogate in a link target', String.raw`["l","a","\ud800","0"]`],
    ['a link target of 4096 bytes', `["l","a","${'x'.repeat(4096)}","0"]`],
  ])('a manifest refuses a line with %s', async (_what, line) => {
    expect(await codeOf(() => decodeEntry(line))).toBe('manifest-invalid');
  });

  it.each([
    ['path-unsafe', '../a'],
    ['path-unsafe', 'a/../b'],
    ['path-unsafe', '/etc/passwd'],
    ['path-unsafe', 'a//b'],
    ['path-unsafe', './a'],
    ['path-unsafe', 'a/'],
    ['path-unsafe', 'a\0b'],
    ['path-unsafe', '\ud800'],
    ['path-unsafe', 'x\udfff/y'],
    ['path-reserved', '.cairn'],
    ['path-reserved', 'a/.cairn/b'],
    ['path-too-long', 'n'.repeat(256)],
    ['path-too-long', 'n/'.repeat(2050) + 'n'],
  ])('a manifest refuses with %s the path %j', async (code, path) => {
    expect(await codeOf(() => decodeEntry(JSON.stringify(['f', path, 1, 420, '0'])))).toBe(code);
  });

  it('a manifest takes twelve mode bits of a directory and nine of a file', () => {
    expect(decodeEntry('["d","a",4095,"0"]').mode).toBe(0o7777);
    expect(decodeEntry('["f","a",0,511,"0"]').mode).toBe(0o777);
  });
});

describe('headers of manifests', () => {
  it('the header of a manifest gives back its parameters', () => {
    expect(decodeHeader(encodeHeader(PARAMETERS))).toEqual(PARAMETERS);
  });

  it.each([
    '["cairn-manifest",2,1048576,"xxh64"]',
    '["cairn-manifest",1,1048576,"md5"]',
    '["cairn-manifest",1,1048576,"__proto__"]',
    '["cairn-manifest",1,1048576]',
    '["cairn-manifest",1,1048576,"xxh64",0]',
    '["cairn-manifest",1,65535,"xxh64"]',
    '["cairn-manifest",1,67108865,"xxh64"]',
    '["cairn-manifest",1,1048576.5,"xxh64"]',
    '["cairn-manifest",1,"1048576","xxh64"]',
    '["cairn-manifest",1, 1048576,"xxh64"]',
    '["cairn-manifest",1,1048576.0,"xxh64"]',
    '["other",1,1048576,"xxh64"]',
    '["f","a",1,420,"0"]',
    'null',
    '',
  ])('a manifest refuses the header %s', async (line) => {
    expect(await codeOf(() => decodeHeader(line))).toBe('manifest-invalid');
  });

  it('a chunk size is a whole number from 64 KiB to 64 MiB', () => {
    expect([65_536, 67_108_864, 100_001].every(isChunkSize)).toBe(true);
    expect([65_535, 67_108_865, 65_536.5, '65536', null, Number.NaN].some(isChunkSize)).toBe(false);
  });
});

describe('the tree checker', () => {
  const check = (...entries: Entry[]): Promise<string> =>
    codeOf(() => {
      const checker = new TreeChecker();
      for (const entry of entries) checker.next(entry);
    });
  const file = (path: string) => entryOf('file', path);
  const directory = (path: string) => entryOf('directory', path);

  it('the tree checker accepts every tree', () => {
    fc.assert(
      fc.property(tree, (entries) => {
        const checker = new TreeChecker();
        for (const entry of entries) checker.next(entry);
      }),
    );
  });

  it.each([
    ['files beside each other', [file('a'), file('b')]],
    ['a target that is a file', [file('')]],
    ['a target that is a symlink', [entryOf('symlink', '')]],
    ['a stream alone', [entryOf('stream', '')]],
    [
      'directories in directories',
      [directory(''), directory('a'), directory('a/b'), file('a/b/c'), file('a/d'), file('a-')],
    ],
  ])('the tree checker accepts %s', async (_what, entries) =>
    expect(await check(...entries)).toBe('accepted'),
  );

  it.each([
    ['paths out of order', [file('b'), file('a')]],
    ['byte order, where the slash comes first', [directory('a'), file('a-'), file('a/b')]],
    ['a path twice', [file('a'), file('a')]],
    ['a path twice as two types', [directory('a'), file('a')]],
    ['the target twice', [directory(''), directory('')]],
    ['the target after its content', [file('a'), directory('')]],
    ['an entry below a file', [file('a'), file('a/b')]],
    ['an entry below a symlink', [entryOf('symlink', 'a'), file('a/b')]],
    ['an entry in a directory that is not there', [directory(''), file('a/b')]],
    ['an entry in a directory that is over', [directory('a'), directory('b'), file('b/c/d')]],
    ['anything beside a target that is a file', [file(''), file('a')]],
    ['anything beside a target that is a symlink', [entryOf('symlink', ''), file('a')]],
    ['a stream beside others', [file('a'), entryOf('stream', 'b')]],
    ['others beside a stream', [entryOf('stream', 'a'), file('b')]],
    ['others below a stream', [entryOf('stream', ''), file('b')]],
  ])('the tree checker refuses %s', async (_what, entries) =>
    expect(await check(...entries)).toBe('manifest-invalid'),
  );
});

describe('the manifest reader', () => {
  const manifest = createManifest(PARAMETERS, [entryOf('directory', ''), entryOf('file', 'ünï')]);
  const text = [...encodeManifest(manifest)].join('');

  it('the manifest reader refuses an id that is not that of the content', async () => {
    const reader = createManifestReader();
    for (const line of text.split('\n').slice(0, -1)) reader.line(line);
    expect(await codeOf(() => reader.finish('0'.repeat(64)))).toBe('manifest-invalid');
  });

  it('the manifest reader refuses an empty manifest, and one without a header', async () => {
    expect(await codeOf(() => createManifestReader().finish())).toBe('manifest-invalid');
    expect(await codeOf(() => createManifestReader().line('["d","",493,"0"]'))).toBe('manifest-invalid');
  });

  it('the manifest reader refuses more entries and more bytes than its limits', async () => {
    expect(await codeOf(() => readLines(text, { maxEntries: 2, maxBytes: 1000 }))).toBe('accepted');
    expect(await codeOf(() => readLines(text, { maxEntries: 1, maxBytes: 1000 }))).toBe('manifest-too-large');
    expect(await codeOf(() => readLines(text, { maxEntries: 2, maxBytes: 50 }))).toBe('manifest-too-large');
  });

  it('lines of a manifest are split the same, however the bytes are sliced', async () => {
    const bytes = Buffer.from(text);
    for (let slice = 1; slice <= bytes.length; slice++) {
      expect(await linesOf(slices(bytes, slice))).toEqual(text.split('\n').slice(0, -1));
    }
  });

  it('a line of a manifest that is too long is refused, however the bytes are sliced', async () => {
    const short = Buffer.from(`${'ü'.repeat(50)}\n\n${'x'.repeat(100)}\n`);
    const long = Buffer.from(`ok\n${'x'.repeat(101)}\nok\n`);
    for (const slice of [1, 7, 99, 100, 101, 102, 1000]) {
      expect(await codeOf(() => linesOf(slices(short, slice), 100))).toBe('accepted');
      expect(await codeOf(() => linesOf(slices(long, slice), 100))).toBe('manifest-invalid');
    }
  });

  it('bytes of a manifest that are no UTF-8 are refused, also overlong ones and surrogates', async () => {
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      expect(await codeOf(() => linesOf(slices(Buffer.from([...bytes, 0x0a]), 10)))).toBe('manifest-invalid');
    }
  });

  it('a byte order mark in front of a manifest is kept, and refused as no JSON', async () => {
    const [line] = await linesOf(slices(Buffer.from(`\ufeff${text}`), 10));
    expect(await codeOf(() => createManifestReader().line(line!))).toBe('manifest-invalid');
  });

  it('a cut line of a manifest is refused as incomplete', async () => {
    expect(await codeOf(() => linesOf(slices(Buffer.from('one\ntw'), 3)))).toBe('chunk-incomplete');
  });
});
