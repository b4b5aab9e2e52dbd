import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createArrivingBlocks } from '../../src/manifest/arriving-blocks.ts';
import { encodeBlocks } from '../../src/manifest/cut-codec.ts';
import { createCutGuide, type CutGuide } from '../../src/manifest/cut-guide.ts';
import { loadCutIds } from '../../src/manifest/cut-ids.ts';
import { createCutsMaker } from '../../src/manifest/file-cuts-maker.ts';
import { createCutter, type Cutter } from '../../src/manifest/gear2.ts';
import { cutGuided } from '../../src/manifest/guided-cuts.ts';
import type { Cuts } from '../../src/manifest/kept-cuts-format.ts';
import { noise } from '../suites/staged-transfer.ts';
import { cutAt } from './arbitrary-file.ts';

const ids = await loadCutIds('xxh64');
const RECORD_BYTES = 3 + ids.blockIdBytes;

/** A cutter that counts the blocks whose ends it looked for. */
function countingCutter(): Cutter & { readonly looked: { count: number } } {
  const cutter = createCutter();
  const looked = { count: 0 };
  return {
    ...cutter,
    looked,
    blockBytesOf: (bytes) => {
      looked.count += 1;
      return cutter.blockBytesOf(bytes);
    },
  };
}

function cutAlone(file: Buffer): Cuts {
  const maker = createCutsMaker({ cutter: createCutter(), ids, withChecks: true }, file.length);
  maker.update(file);
  return maker.finish();
}

async function* piecesOf(file: Buffer, places: readonly number[]): AsyncGenerator<Buffer> {
  for (const piece of cutAt(file, places)) yield piece;
}

/** Cuts `file` while the records of `other` come, so many bytes at a time. */
async function cutBeside(
  file: Buffer,
  other: Buffer,
  {
    atATime = 5 * RECORD_BYTES,
    places = [] as readonly number[],
    sizeBytes = undefined as number | undefined,
  } = {},
) {
  const cutter = countingCutter();
  const guide = createCutGuide(ids.blockIdBytes, sizeBytes);
  const cutting = cutGuided({ cutter, ids, withChecks: true }, file.length, guide, piecesOf(file, places));
  await feed(guide, encodeBlocks(cutAlone(other).recipe), atATime);
  return { cuts: await cutting, looked: cutter.looked.count };
}

async function feed(guide: CutGuide, records: Buffer, atATime: number): Promise<void> {
  for (let at = 0; at < records.length; at += atATime) {
    guide.take(at, records.subarray(at, at + atATime));
    await Promise.resolve();
  }
  guide.end();
}

const base = noise(3_000_000, 'base');
/** What becomes of a file. */
const CHANGES: readonly (readonly [title: string, file: Buffer, mostLookups: number])[] = [
  ['the same', base, 0],
  ['longer at its end', Buffer.concat([base, noise(200_000, 'more')]), 8],
  ['shorter', base.subarray(0, 2_000_000), 2],
  ['longer in front', Buffer.concat([noise(200_003, 'in front'), base]), 8],
  [
    'changed at two places',
    Buffer.concat([
      base.subarray(0, 1e6),
      Buffer.from('new'),
      base.subarray(1_000_003, 2e6),
      base.subarray(2_000_010),
    ]),
    8,
  ],
  ['another one', noise(2_000_000, 'another'), 60],
];

describe('files that are cut beside their other versions', () => {
  it.each(CHANGES)(
    'a file beside its other version has the blocks and checks that it has alone, and few are looked for: %s',
    async (_, file, most) => {
      const { cuts, looked } = await cutBeside(file, base);
      expect(cuts).toEqual(cutAlone(file));
      expect(looked).toBeLessThanOrEqual(most);
    },
  );

  it('a file has the same blocks whatever its other version is, and however bytes and records come', async () => {
    const part = fc
      .tuple(fc.nat(base.length), fc.nat(900_000))
      .map(([from, bytes]) => base.subarray(from, from + bytes));
    const files = fc
      .array(
        fc.oneof(
          part,
          fc.nat(300_000).map((bytes) => noise(bytes, 'new')),
        ),
        { minLength: 1, maxLength: 4 },
      )
      .map((parts) => Buffer.concat(parts))
      .filter(({ length }) => length >= 128 * 1024);
    const places = fc.array(fc.nat(1_500_000), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        files,
        files,
        places,
        fc.integer({ min: 1, max: 200 }),
        async (file, other, cut, atATime) => {
          const { cuts } = await cutBeside(file, other, { atATime, places: cut });
          expect(cuts).toEqual(cutAlone(file));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('records that come again after a lost connection are taken for those that came before', async () => {
    const records = encodeBlocks(cutAlone(base).recipe);
    const guide = createCutGuide(ids.blockIdBytes);
    const cutter = countingCutter();
    const cutting = cutGuided({ cutter, ids, withChecks: true }, base.length, guide, piecesOf(base, []));
    guide.take(0, records.subarray(0, 100));
    await feed(guide, records, 7);
    expect(await cutting).toEqual(cutAlone(base));
    expect(cutter.looked.count).toBe(0);
  });

  it('a guide needs nothing behind the records of a version whose size is known', async () => {
    const { recipe, checks } = cutAlone(base);
    const guide = createCutGuide(ids.blockIdBytes, base.length);
    guide.take(0, Buffer.concat([encodeBlocks(recipe), checks!.blocks.ids]));
    const cutter = countingCutter();
    const cuts = await cutGuided({ cutter, ids, withChecks: true }, base.length, guide, piecesOf(base, []));
    expect(cuts).toEqual({ recipe, checks });
    expect(cutter.looked.count).toBe(0);
  });

  it('a file has no blocks that the chunker cannot have made, whatever a hostile server tells', async () => {
    const short = Buffer.alloc(RECORD_BYTES * 300);
    const hasher = ids.createBlockHasher();
    hasher.update(base.subarray(0, 5000));
    for (let at = 0; at < short.length; at += RECORD_BYTES) {
      short.writeUIntBE(5000, at, 3);
      short.set(at === 0 ? hasher.digest() : Buffer.alloc(8), at + 3);
    }
    for (const records of [short, Buffer.alloc(RECORD_BYTES * 50), Buffer.alloc(RECORD_BYTES * 50, 255)]) {
      const guide = createCutGuide(ids.blockIdBytes);
      guide.take(0, records);
      guide.end();
      const making = { cutter: createCutter(), ids, withChecks: true };
      expect(await cutGuided(making, base.length, guide, piecesOf(base, [1000, 5000]))).toEqual(
        cutAlone(base),
      );
    }
  });

  it('blocks that a hostile server makes up without bytes, or too long, take no memory', () => {
    for (const byte of [0, 255]) {
      const told = createArrivingBlocks(ids.blockIdBytes, Infinity);
      told.take(0, Buffer.alloc(RECORD_BYTES * 5000, byte));
      expect(told.isEnded()).toBe(true);
      expect(told.list().count).toBeLessThanOrEqual(1);
    }
  });

  it.each([base.subarray(0, 2_999_999), Buffer.concat([base, Buffer.from('more')])])(
    'a file with fewer or more bytes than its size is refused',
    async (file) => {
      const guide = createCutGuide(ids.blockIdBytes);
      guide.end();
      const making = { cutter: createCutter(), ids, withChecks: true };
      await expect(cutGuided(making, base.length, guide, piecesOf(file, []))).rejects.toMatchObject({
        code: 'internal',
      });
    },
  );
});
