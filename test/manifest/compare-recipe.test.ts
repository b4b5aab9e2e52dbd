import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noiseOf } from '../../fixtures/gear2/twin.js';
import { rangesInOrder, sumOfRanges } from '../../src/manifest/assembly.ts';
import { carriedRanges, copiedRanges } from '../../src/manifest/compare-recipe.ts';
import {
  assemblyOf,
  carriedOf,
  compareFiles as compare,
  type ComparedFiles,
} from '../support/compare-files.ts';
import { changedFile } from './arbitrary-file.ts';

/** Builds the new file of what is carried and what the old one has. */
function assemble(older: Buffer, newer: Buffer, { recipe, places, grains }: ComparedFiles): Buffer {
  const file = Buffer.alloc(newer.length, '!');
  const carried = carriedRanges(recipe, places, grains);
  for (let at = 0; at < carried.length; at += 2) {
    newer.copy(file, carried[at], carried[at], carried[at]! + carried[at + 1]!);
  }
  const copied = copiedRanges(recipe, places, grains);
  for (let at = 0; at < copied.length; at += 3) {
    const [offset, lengthBytes, place] = copied.slice(at, at + 3) as [number, number, number];
    older.copy(file, offset, place, place + lengthBytes);
  }
  return file;
}

const carriedBytes = ({ recipe, places, grains }: ComparedFiles): number =>
  sumOfRanges(carriedRanges(recipe, places, grains));

describe('comparing a recipe with an old file', () => {
  it('a comparison with an old file gives ranges that in their order are the new file', () => {
    fc.assert(
      fc.property(changedFile, ({ older, newer }) => {
        const assembly = assemblyOf(older, newer);
        const carried = carriedOf(assembly, newer);
        expect(sumOfRanges(assembly.carried)).toBe(carried.length);
        const pieces = Array.from(rangesInOrder(assembly), ({ isCarried, from, lengthBytes }) =>
          (isCarried ? carried : older).subarray(from, from + lengthBytes),
        );
        expect(Buffer.concat(pieces).equals(newer)).toBe(true);
      }),
    );
  });

  it('a comparison with an old file gives carried and copied ranges that fill the new file', () => {
    fc.assert(
      fc.property(changedFile, ({ older, newer }) => {
        expect(assemble(older, newer, compare(older, newer)).equals(newer)).toBe(true);
      }),
    );
  });

  it('a comparison gives the same carried ranges to a side that does not know the old offsets', () => {
    fc.assert(
      fc.property(changedFile, ({ older, newer }) => {
        const { recipe, places, grains } = compare(older, newer);
        const answered = (all: ArrayLike<number>): number[] =>
          Array.from(all, (place) => (place < 0 ? -1 : 0));
        const compared = { ...grains, places: answered(grains.places) };
        expect(carriedRanges(recipe, answered(places), compared)).toEqual(
          carriedRanges(recipe, places, grains),
        );
      }),
    );
  });

  it('the carried ranges of a comparison are apart, in order, and not empty', () => {
    fc.assert(
      fc.property(changedFile, ({ older, newer }) => {
        const { recipe, places, grains } = compare(older, newer);
        const carried = carriedRanges(recipe, places, grains);
        let end = -1;
        for (let at = 0; at < carried.length; at += 2) {
          expect(carried[at]).toBeGreaterThan(end);
          expect(carried[at + 1]).toBeGreaterThan(0);
          end = carried[at]! + carried[at + 1]!;
        }
        expect(end).toBeLessThanOrEqual(newer.length);
      }),
    );
  });

  it('a comparison carries nothing of a file that is there', () => {
    const file = noiseOf('there', 700_000);
    const compared = compare(file, file);
    expect(carriedBytes(compared)).toBe(0);
    expect(copiedRanges(compared.recipe, compared.places)).toEqual([0, file.length, 0]);
  });

  it('a comparison carries little of a file in which bytes were inserted, changed and removed', () => {
    const older = noiseOf('before', 3_000_000);
    const newer = Buffer.concat([
      older.subarray(0, 500_000),
      Buffer.from('put in'),
      older.subarray(500_000, 1_500_000),
      older.subarray(1_600_000),
    ]);
    newer.fill(0, 2_000_000, 2_000_010);
    const compared = compare(older, newer);
    expect(assemble(older, newer, compared).equals(newer)).toBe(true);
    expect(carriedBytes(compared)).toBeLessThan(3 * 2 * 8192);
  });

  it('a comparison copies from one offset on where the old file has the same bytes at many', () => {
    const zeros = Buffer.alloc(2_000_000);
    const compared = compare(zeros, zeros);
    expect(copiedRanges(compared.recipe, compared.places)).toEqual([0, zeros.length, 0]);
  });

  it('a comparison carries blocks as a whole for which no grains were asked', () => {
    const older = noiseOf('before', 1_000_000);
    const newer = Buffer.from(older);
    newer.fill(0, 500_000, 500_001);
    const { recipe, places } = compare(older, newer);
    const [offset, lengthBytes, ...others] = carriedRanges(recipe, places);
    expect(others).toEqual([]);
    expect(recipe.blocks.lengths).toContain(lengthBytes);
    expect(offset).toBeLessThanOrEqual(500_000);
  });

  it.each([
    ['fewer grains than the block has', [0], [9000]],
    ['more grains than the blocks have', [0], [5000, 5000, 5000]],
    ['grains over the end of the block', [0], [5000, 5001]],
    ['grains of no block', [], [10_000]],
    ['grains of a block that is not in the recipe', [1], []],
  ])('a comparison refuses %s', (_, blocks, lengths) => {
    const listOf = (of: number[], idBytes: number) => ({
      count: of.length,
      lengths: Uint32Array.from(of),
      ids: Buffer.alloc(of.length * idBytes),
      idBytes,
    });
    const recipe = { sizeBytes: 10_000, blocks: listOf([10_000], 16) };
    const grains = { blocks, grains: listOf(lengths, 8), places: lengths.map(() => -1) };
    expect(() => carriedRanges(recipe, [-1], grains)).toThrow('not those of its blocks');
  });
});
