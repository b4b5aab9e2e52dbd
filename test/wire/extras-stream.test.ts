import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { EXTRAS_HEADER, encodeExtrasEnd, readExtras } from '../../src/wire/extras-stream.ts';

const LIMITS = { maxEntries: 3, maxBytes: 10_000 };
const ENTRIES = ['["d","a",493,"0"]', '["f","a/b",5,420,"7"]'];

async function read(lines: readonly string[]): Promise<unknown> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(lines.map((line) => `${line}\n`).join(''));
  }
  try {
    const { entries, notices, total } = await readExtras(bytes(), LIMITS);
    return { paths: Array.from(entries, ({ path }) => path), notices: notices.length, total };
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
}

test('an answer of extra entries is read with its notices and the number of all entries', async () => {
  const notice = '["w","source-unsupported","pipe","it is a FIFO"]';
  const lines = [EXTRAS_HEADER, '', ENTRIES[0]!, notice, '', ENTRIES[1]!, encodeExtrasEnd(2, 9)];
  expect(await read(lines)).toEqual({ paths: ['a', 'a/b'], notices: 1, total: 9 });
});

test.each([
  ['nothing', [], 'chunk-incomplete'],
  ['no end', [EXTRAS_HEADER, ...ENTRIES], 'chunk-incomplete'],
  ['no header', [...ENTRIES, encodeExtrasEnd(2, 2)], 'manifest-invalid'],
  ['another number of entries', [EXTRAS_HEADER, ...ENTRIES, encodeExtrasEnd(3, 9)], 'manifest-invalid'],
  [
    'fewer entries in all than extra ones',
    [EXTRAS_HEADER, ...ENTRIES, encodeExtrasEnd(2, 1)],
    'manifest-invalid',
  ],
  ['something behind its end', [EXTRAS_HEADER, encodeExtrasEnd(0, 0), ENTRIES[0]!], 'manifest-invalid'],
  ['an order that is none', [EXTRAS_HEADER, ...ENTRIES.toReversed()], 'manifest-invalid'],
  ['a path that leaves the target', [EXTRAS_HEADER, '["f","../a",5,420,"7"]'], 'path-unsafe'],
  ['the target itself', [EXTRAS_HEADER, '["d","",493,"0"]'], 'manifest-invalid'],
  [
    'more entries than are read',
    [EXTRAS_HEADER, ...['a', 'b', 'c', 'd'].map((name) => `["f","${name}",5,420,"7"]`)],
    'manifest-too-large',
  ],
])('an answer of extra entries with %s is refused', async (_what, lines, code) => {
  expect(await read(lines)).toBe(code);
});
