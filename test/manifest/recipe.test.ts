import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileOf, noiseOf } from '../../fixtures/gear2/twin.js';
import { DIGEST_ALGORITHMS } from '../../src/manifest/digest.ts';
import { BLOCK_ID_BYTES, GRAIN_ID_BYTES, loadCutIds } from '../../src/manifest/cut-ids.ts';
import type { CutList } from '../../src/manifest/cut-list.ts';
import { createCutter } from '../../src/manifest/gear2.ts';
import { addGrains, createGrainList, createRecipeMaker, type Recipe } from '../../src/manifest/recipe.ts';
import { arbitraryCuts, arbitraryFile, cutAt } from './arbitrary-file.ts';

const VECTORS = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, '../../fixtures/gear2/ids.json'), 'utf8'),
) as {
  title: string;
  pieces: [string | number, number][];
  xxh64: string[];
  sha256: string[];
  grains: string[];
}[];

const cutter = createCutter();
const ids = { xxh64: await loadCutIds('xxh64'), sha256: await loadCutIds('sha256') };

function recipeOf(file: Buffer, algorithm: 'xxh64' | 'sha256', cuts: readonly number[] = []): Recipe {
  const maker = createRecipeMaker(cutter, ids[algorithm], file.length);
  for (const piece of cutAt(file, cuts)) maker.update(piece);
  return maker.finish();
}

function hexIds({ ids: all, idBytes, count }: CutList): string[] {
  return Array.from({ length: count }, (_, index) =>
    all.subarray(index * idBytes, (index + 1) * idBytes).toString('hex'),
  );
}

describe('recipes', () => {
  it.each(VECTORS)('a recipe names the blocks of $title as it always did', ({ pieces, ...vector }) => {
    for (const algorithm of DIGEST_ALGORITHMS) {
      const { blocks } = recipeOf(fileOf(pieces), algorithm);
      expect(blocks.idBytes).toBe(BLOCK_ID_BYTES[algorithm]);
      expect(hexIds(blocks)).toEqual(vector[algorithm]);
    }
  });

  it.each(VECTORS)('a recipe names the grains of $title as it always did', ({ pieces, grains }) => {
    const file = fileOf(pieces);
    const list = createGrainList();
    let start = 0;
    for (const lengthBytes of recipeOf(file, 'xxh64').blocks.lengths) {
      addGrains(list, cutter, ids.xxh64, file.subarray(start, start + lengthBytes));
      start += lengthBytes;
    }
    expect(list.finish().idBytes).toBe(GRAIN_ID_BYTES);
    expect(hexIds(list.finish())).toEqual(grains);
  });

  it.each(DIGEST_ALGORITHMS)('a recipe does not depend on how the bytes are fed: %s', (algorithm) => {
    fc.assert(
      fc.property(arbitraryFile, arbitraryCuts, (file, cuts) => {
        expect(recipeOf(file, algorithm, cuts)).toEqual(recipeOf(file, algorithm));
      }),
    );
  });

  it('a recipe has all blocks of a file of many', () => {
    const { blocks, sizeBytes } = recipeOf(noiseOf('many', 9_000_000), 'xxh64');
    expect(blocks.count).toBeGreaterThan(64);
    expect(blocks.lengths.reduce((total, lengthBytes) => total + lengthBytes)).toBe(sizeBytes);
    expect(new Set(hexIds(blocks)).size).toBe(blocks.count);
  });

  it('a recipe of a part of a file is refused', () => {
    const maker = createRecipeMaker(cutter, ids.xxh64, 100);
    maker.update(Buffer.alloc(99));
    expect(() => maker.finish()).toThrow('lacks the end of its file');
  });
});
