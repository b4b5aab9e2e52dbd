import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutSlowly, fileOf, noiseOf } from '../../fixtures/gear2/twin.js';
import { assembleGear2 } from '../../gear2.build.js';
import { BLOCK_BYTES, createCutter, GRAIN_BYTES, MANY_BLOCKS_FROM_BYTES } from '../../src/manifest/gear2.ts';
import { arbitraryCuts, arbitraryFile, cutAt } from './arbitrary-file.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const VECTORS = JSON.parse(readFileSync(path.join(ROOT, 'fixtures/gear2/cuts.json'), 'utf8')) as {
  title: string;
  pieces: [string | number, number][];
  sha256: string;
  grains: number[];
  blocks: number[];
}[];

const cutter = createCutter();

function cut(file: Buffer, cuts: readonly number[] = []): { grains: number[]; blocks: number[] } {
  const grains: number[] = [];
  const blocks: number[] = [];
  let blockBytes = 0;
  cutter.begin(file.length);
  for (const piece of cutAt(file, cuts)) {
    cutter.update(piece, (lengthBytes, endsBlock) => {
      grains.push(lengthBytes);
      blockBytes += lengthBytes;
      if (!endsBlock) return;
      blocks.push(blockBytes);
      blockBytes = 0;
    });
  }
  expect(blockBytes).toBe(0);
  return { grains, blocks };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describe('the chunker', () => {
  it.each(VECTORS)('the chunker cuts $title as it always did', ({ pieces, sha256, grains, blocks }) => {
    const file = fileOf(pieces);
    expect(createHash('sha256').update(file).digest('hex')).toBe(sha256);
    expect(cut(file)).toEqual({ grains, blocks });
  });

  it('the chunker cuts like its slow twin', () => {
    fc.assert(
      fc.property(arbitraryFile, (file) => {
        expect(cut(file)).toEqual(cutSlowly(file));
      }),
      { numRuns: 40 },
    );
  });

  it('the chunker cuts alike, however the bytes are fed', () => {
    fc.assert(
      fc.property(arbitraryFile, arbitraryCuts, (file, cuts) => {
        expect(cut(file, cuts)).toEqual(cut(file));
      }),
    );
    const file = noiseOf('fed byte by byte', 20_000);
    expect(cut(file, [...file.keys()])).toEqual(cut(file));
  });

  it('the chunker keeps to its bounds and loses no byte', () => {
    fc.assert(
      fc.property(arbitraryFile, (file) => {
        const { grains, blocks } = cut(file);
        expect([sum(grains), sum(blocks)]).toEqual([file.length, file.length]);
        expect(Math.min(...grains.slice(0, -1), Infinity)).toBeGreaterThanOrEqual(GRAIN_BYTES.min);
        expect(Math.max(...grains, 0)).toBeLessThanOrEqual(GRAIN_BYTES.max);
        expect(Math.min(...blocks.slice(0, -1), Infinity)).toBeGreaterThanOrEqual(BLOCK_BYTES.min);
        expect(Math.max(...blocks, 0)).toBeLessThanOrEqual(BLOCK_BYTES.max);
        if (file.length < MANY_BLOCKS_FROM_BYTES) expect(blocks.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('the chunker cuts a block alone into the same grains', () => {
    const file = noiseOf('blocks', 1_000_000);
    const { grains, blocks } = cut(file);
    let start = 0;
    const alone = blocks.flatMap((lengthBytes) => cut(file.subarray(start, (start += lengthBytes))).grains);
    expect(alone).toEqual(grains);
  });

  it('the chunker finds the same blocks again behind bytes that were put in front', () => {
    const file = noiseOf('moved', 2_000_000);
    const before = cut(file).blocks;
    const after = cut(Buffer.concat([Buffer.from('in front'), file])).blocks;
    expect(after.slice(-15)).toEqual(before.slice(-15));
  });

  it('the chunker drops a file that was not finished when another begins', () => {
    const file = noiseOf('whole', 100_000);
    cutter.begin(1_000_000);
    cutter.update(noiseOf('broken off', 1234), () => {});
    expect(cut(file)).toEqual(cutSlowly(file));
  });

  it('the chunker refuses more bytes than the file has', () => {
    cutter.begin(10);
    expect(() => cutter.update(Buffer.alloc(11), () => {})).toThrow('more bytes than its size');
  });

  it('the code of the chunker is that of its source', async () => {
    const code = readFileSync(path.join(ROOT, 'src/manifest/gear2-code.ts'), 'utf8');
    expect(code, 'run `npm run build:gear2`').toBe(await assembleGear2());
  });
});
