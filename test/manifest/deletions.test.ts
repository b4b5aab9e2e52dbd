import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createDeletions, encodeDeletions, readDeletions } from '../../src/manifest/deletions.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import { arbitraryTree, entryOf } from './arbitrary-tree.ts';

const LIMITS = { maxEntries: 100, maxBytes: 100_000 };
const NOTHING = new EntryTable();
const HEADER = '["cairn-deletions",1]';

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function codeOf(lines: readonly string[], wanted = NOTHING, limits = LIMITS): Promise<string> {
  try {
    const text = lines.map((line) => `${line}\n`).join('');
    return `taken: ${(await readDeletions(bytesOf(text), wanted, limits)).entries.length}`;
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
}

test('a list of deletions is read as it was written, and has the same id', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryTree(fc.nat()), async (entries) => {
      const written = createDeletions(EntryTable.from(entries));
      const text = [...encodeDeletions(written)].join('');
      const read = await readDeletions(bytesOf(text), NOTHING, LIMITS);
      expect([...read.entries]).toEqual(entries);
      expect([read.id, read.encodedBytes]).toEqual([written.id, Buffer.byteLength(text)]);
    }),
  );
});

test.each([
  ['no header', ['["f","a",1,420,"0"]'], 'manifest-invalid'],
  ['another version', ['["cairn-deletions",2]'], 'manifest-invalid'],
  ['nothing', [], 'manifest-invalid'],
  ['the target itself', [HEADER, '["d","",493,"0"]'], 'manifest-invalid'],
  ['a path that leaves the target', [HEADER, '["f","a/../../b",1,420,"0"]'], 'path-unsafe'],
  ['an absolute path', [HEADER, '["f","/etc/passwd",1,420,"0"]'], 'path-unsafe'],
  ['a reserved name', [HEADER, '["d",".cairn",493,"0"]'], 'path-reserved'],
  ['what is below a reserved name', [HEADER, '["f","a/.cairn/staging",1,420,"0"]'], 'path-reserved'],
  ['a stream', [HEADER, '["s","a",420,"0"]'], 'manifest-invalid'],
  ['a path twice', [HEADER, '["f","a",1,420,"0"]', '["f","a",1,420,"0"]'], 'manifest-invalid'],
  ['paths out of order', [HEADER, '["f","b",1,420,"0"]', '["f","a",1,420,"0"]'], 'manifest-invalid'],
  ['a line that is no JSON', [HEADER, '{'], 'manifest-invalid'],
  ['a line that is not canonical', [HEADER, '["f", "a",1,420,"0"]'], 'manifest-invalid'],
  ['no entry at all', [HEADER], 'taken: 0'],
  ['entries without the directories above them', [HEADER, '["f","a/b/c",1,420,"0"]'], 'taken: 1'],
])('a list of deletions with %s: %s', async (_what, lines, outcome) => {
  expect(await codeOf(lines)).toBe(outcome);
});

test('a list of deletions with an entry of the manifest is refused, and one with its neighbours is not', async () => {
  const wanted = EntryTable.from(['', 'a', 'a/b'].map((path) => entryOf('directory', path)));
  expect(await codeOf([HEADER, '["d","a/b",493,"0"]'], wanted)).toBe('manifest-invalid');
  expect(await codeOf([HEADER, '["d","a/a",493,"0"]', '["d","a/b c",493,"0"]'], wanted)).toBe('taken: 2');
});

test('a list of deletions with more entries or bytes than the limits is refused', async () => {
  const lines = [HEADER, '["f","a",1,420,"0"]', '["f","b",1,420,"0"]'];
  expect(await codeOf(lines, NOTHING, { ...LIMITS, maxEntries: 1 })).toBe('manifest-too-large');
  expect(await codeOf(lines, NOTHING, { ...LIMITS, maxBytes: 60 })).toBe('manifest-too-large');
  expect(await codeOf(lines, NOTHING, { ...LIMITS, maxEntries: 2 })).toBe('taken: 2');
});
