/**
 * Mutated manifests, journals, heads of channel messages, parts and recipes, tens of thousands of each: what is read is whole and safe, or refused
 * by an error of cairn's own. `CAIRN_FUZZ_ROUNDS` runs more, `CAIRN_FUZZ_SEED` others.
 */
import { expect, test } from 'vitest';
import { readJournal } from '../../src/checkpoint/journal-format.ts';
import { CairnError } from '../../src/base/errors.ts';
import { checkRelativePath } from '../../src/base/safe-path.ts';
import { rangesInOrder } from '../../src/manifest/assembly.ts';
import { checkLengths, createPartsReader, encodeParts } from '../../src/manifest/parts-document.ts';
import { decodeGrains, decodeRecipe, encodeBlocks, encodeGrains } from '../../src/manifest/cut-codec.ts';
import { createManifest } from '../../src/manifest/manifest.ts';
import { decodeHead, encodeHead } from '../../src/wire/message-head.ts';
import { encodeTree, readTree } from '../../src/wire/tree-stream.ts';
import { journalFixtures } from '../checkpoint/journal-fixtures.ts';
import { entryOf } from '../manifest/arbitrary-tree.ts';
import { compareFiles } from '../support/compare-files.ts';
import { createRandom } from '../support/random.ts';
import { noise } from '../suites/staged-transfer.ts';
import { mutateBytes } from './mutate.ts';

const ROUNDS = Number(process.env['CAIRN_FUZZ_ROUNDS'] ?? 20_000);
const SEED = Number(process.env['CAIRN_FUZZ_SEED'] ?? 1);

const MANIFEST = createManifest({ chunkSizeBytes: 65_536, digest: 'xxh64' }, [
  entryOf('directory', ''),
  entryOf('directory', 'a'),
  entryOf('file', 'a/b ünï 😀', { sizeBytes: 70_000, mtimeNs: 1_700_000_000_123_456_789n }),
  entryOf('symlink', 'a/link', { linkTarget: '../outside' }),
  entryOf('file', 'z', { sizeBytes: 1 }),
]);
const FIXTURES = journalFixtures();
const JOURNALS = [FIXTURES['whole.journal']!, FIXTURES['partial.journal']!];
const NOTICES = [{ code: 'source-unreadable', path: 'secret', message: 'permission denied' }] as const;

/** One to three changes, each of one to twenty bytes. */
function mutated(bytes: Buffer, random: () => number): Buffer {
  let changed = bytes;
  while (changed.equals(bytes))
    for (let left = 3; left > 0; left -= 1) changed = mutateBytes(changed, random);
  return changed;
}

/** What `read` answers, or undefined where it refuses. */
async function unlessRefused<T>(read: () => T | Promise<T>, input: Buffer): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CairnError && error.code !== 'internal') return undefined;
    throw new Error(`not refused as it should be: ${JSON.stringify(input.toString('latin1'))}`, {
      cause: error,
    });
  }
}

async function* inPieces(bytes: Buffer, random: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const length = 1 + Math.floor(random() * 60);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

test('a mutated manifest is refused, or is one that encodes to itself and has nothing but safe paths', async () => {
  const random = createRandom(SEED);
  const whole = Buffer.from([...encodeTree(MANIFEST, NOTICES)].join(''));
  let accepted = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = mutated(whole, random);
    const read = await unlessRefused(() => readTree(inPieces(bytes, random)), bytes);
    if (read === undefined) continue;
    accepted += 1;
    for (let index = 1; index < read.manifest.entries.length; index += 1)
      checkRelativePath(read.manifest.entries.pathOf(index));
    const again = Buffer.from([...encodeTree(read.manifest, read.notices)].join(''));
    expect((await readTree(inPieces(again, random))).manifest.id).toBe(read.manifest.id);
  }
  // Its id is in its last line, so that only what was said beside the entries can have changed.
  expect(accepted).toBeLessThan(ROUNDS / 10);
});

function recordsOf(journal: Buffer): string[] {
  return readJournal(journal).records.map(
    ({ kind, payload }) => `${kind} ${Buffer.from(payload).toString('hex')}`,
  );
}

test('of a mutated journal no record is read that was not written, nor one behind a bad one', async () => {
  const random = createRandom(SEED);
  for (let round = 0; round < ROUNDS; round += 1) {
    const whole = JOURNALS[round % JOURNALS.length]!;
    const bytes = mutated(whole, random);
    const written = recordsOf(whole);
    const read = await unlessRefused(() => readJournal(bytes), bytes);
    if (read === undefined) continue;
    const found = recordsOf(bytes);
    expect(found).toEqual(written.slice(0, found.length));
    expect(read.validBytes).toBeLessThanOrEqual(bytes.length);
  }
});

test('a mutated head of a message is refused, or is read by the next reader in the same way', async () => {
  const random = createRandom(SEED);
  const fields = { 'host': 'a', 'content-length': '5', 'cairn-epoch': '3', 'cairn-offset': '0' };
  const whole = Buffer.from(
    encodeHead('PUT /.cairn/v1/sessions/x/chunks/7 HTTP/1.1', fields).slice(0, -4),
    'latin1',
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = mutated(whole, random);
    const head = await unlessRefused(() => decodeHead(bytes.toString('latin1')), bytes);
    if (head === undefined) continue;
    expect(Number.isSafeInteger(head.contentLengthBytes) && head.contentLengthBytes >= 0).toBe(true);
    const again = encodeHead(head.startLine, Object.fromEntries(head.fields)).slice(0, -4);
    expect(decodeHead(again)).toEqual(head);
  }
});

test('a mutated document of parts is refused, or is one that encodes to itself and stays within its files', async () => {
  const random = createRandom(SEED);
  const sizeBytes = 2_000_000;
  const sizeOf = (entry: number): number | undefined => (entry < 9 ? sizeBytes : undefined);
  const lengths = checkLengths(sizeBytes);
  const recipe = { sizeBytes, blocks: { count: 1, lengths, ids: Buffer.alloc(8, 7), idBytes: 8 } };
  const many = Array.from({ length: 1030 }, (_, at) => at);
  const parts = new Map([
    [0, { recipe, carried: [0, 4096], copied: [4096, sizeBytes - 4096, 17] }],
    [
      3,
      {
        recipe,
        carried: many.flatMap((at) => [900 * at, 512]),
        copied: many.flatMap((at) => [
          900 * at + 512,
          at === 1029 ? sizeBytes - 900 * at - 512 : 388,
          900 * at,
        ]),
      },
    ],
    [7, { recipe, carried: [], copied: [0, sizeBytes, 0] }],
  ]);
  const whole = Buffer.from([...encodeParts(parts)].join(''));
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = mutated(whole, random);
    const read = await unlessRefused(() => {
      const reader = createPartsReader({ sizeOf, idBytes: 8 });
      for (const line of bytes.toString().split('\n').slice(0, -1)) reader.line(line);
      return reader.finish();
    }, bytes);
    for (const assembly of read?.values() ?? []) {
      const ranges = [...rangesInOrder(assembly)];
      expect(ranges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)).toBe(sizeBytes);
      expect(ranges.every(({ from, lengthBytes }) => from >= 0 && lengthBytes > 0)).toBe(true);
    }
    const isWhole = bytes.at(-1) === 0x0a;
    if (read !== undefined && isWhole) expect([...encodeParts(read)].join('')).toBe(bytes.toString());
  }
});

test('mutated recipes and grains are refused, or have all bytes of their file and their blocks', async () => {
  const random = createRandom(SEED);
  const { recipe, grains } = compareFiles(Buffer.alloc(0), noise(600_000, 'cut'));
  const lengths = recipe.blocks.lengths;
  const sum = (all: Uint32Array): number => all.reduce((total, lengthBytes) => total + lengthBytes, 0);
  for (let round = 0; round < ROUNDS; round += 1) {
    const blockBytes = mutated(encodeBlocks(recipe), random);
    const read = await unlessRefused(() => decodeRecipe(blockBytes, recipe.sizeBytes, 16), blockBytes);
    if (read !== undefined) {
      expect(sum(read.blocks.lengths)).toBe(recipe.sizeBytes);
      expect(encodeBlocks(read).equals(blockBytes)).toBe(true);
    }
    const grainBytes = mutated(encodeGrains(grains.grains), random);
    const list = await unlessRefused(() => decodeGrains(grainBytes, lengths), grainBytes);
    if (list !== undefined) expect(sum(list.lengths)).toBe(recipe.sizeBytes);
  }
});
