import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noiseOf } from '../../fixtures/gear2/twin.js';
import { CairnError } from '../../src/base/errors.ts';
import {
  decodeGrains,
  decodeRecipe,
  encodeBlocks,
  encodeGrains,
  maxRecipeBytes,
} from '../../src/manifest/cut-codec.ts';
import { loadCutIds } from '../../src/manifest/cut-ids.ts';
import { createCutter } from '../../src/manifest/gear2.ts';
import { addGrains, createGrainList, createRecipeMaker, type Recipe } from '../../src/manifest/recipe.ts';
import { arbitraryFile } from './arbitrary-file.ts';

const cutter = createCutter();
const ids = { xxh64: await loadCutIds('xxh64'), sha256: await loadCutIds('sha256') };

function recipeOf(file: Buffer, algorithm: 'xxh64' | 'sha256' = 'xxh64'): Recipe {
  const maker = createRecipeMaker(cutter, ids[algorithm], file.length);
  maker.update(file);
  return maker.finish();
}

/** Records with ids of zeros. */
const blocksOf = (...lengths: number[]): Buffer =>
  Buffer.concat(
    lengths.map((lengthBytes) => {
      const record = Buffer.alloc(19);
      record.writeUIntBE(lengthBytes, 0, 3);
      return record;
    }),
  );
const grainsOf = (...lengths: number[]): Buffer =>
  Buffer.concat(
    lengths.map((lengthBytes) => {
      const record = Buffer.alloc(10);
      record.writeUInt16BE(lengthBytes);
      return record;
    }),
  );

function codeOf(doing: () => unknown): string {
  try {
    doing();
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

describe('encoded recipes', () => {
  it.each(['xxh64', 'sha256'] as const)('a recipe decodes as it was encoded: %s', (algorithm) => {
    fc.assert(
      fc.property(arbitraryFile, (file) => {
        const recipe = recipeOf(file, algorithm);
        const bytes = encodeBlocks(recipe);
        const { blockIdBytes } = ids[algorithm];
        expect(decodeRecipe(bytes, file.length, blockIdBytes)).toEqual(recipe);
        expect(bytes.byteLength).toBeLessThanOrEqual(maxRecipeBytes(file.length, blockIdBytes));
      }),
    );
  });

  it('a recipe can be encoded in pieces', () => {
    const recipe = recipeOf(noiseOf('pieces', 500_000));
    expect(Buffer.concat([encodeBlocks(recipe, 0, 3), encodeBlocks(recipe, 3)])).toEqual(
      encodeBlocks(recipe),
    );
  });

  it.each([
    ['half a record', blocksOf(1000).subarray(1), 1000],
    ['no block of a file that has bytes', blocksOf(), 1],
    ['a block of an empty file', blocksOf(0), 0],
    ['less than the file', blocksOf(999), 1000],
    ['more than the file', blocksOf(1001), 1000],
    ['two blocks of a file that is too small', blocksOf(50_000, 50_000), 100_000],
    ['a block that is too short', blocksOf(16_383, 150_000), 166_383],
    ['a block that is too long', blocksOf(262_145, 1), 262_146],
    ['an empty block at the end', blocksOf(150_000, 0), 150_000],
  ])('an encoded recipe is refused with %s', (_, bytes, sizeBytes) => {
    expect(codeOf(() => decodeRecipe(bytes, sizeBytes, 16))).toBe('invalid-request');
  });

  it('any bytes are refused as a recipe, or are the encoding of the recipe that they decode to', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(300_000), (bytes, sizeBytes) => {
        const given = Buffer.from(bytes);
        const decode = (): Recipe => decodeRecipe(given, sizeBytes, 16);
        if (codeOf(decode) === 'accepted') expect(encodeBlocks(decode())).toEqual(given);
        else expect(codeOf(decode)).toBe('invalid-request');
      }),
    );
  });
});

describe('encoded grains', () => {
  it('grains decode as they were encoded', () => {
    fc.assert(
      fc.property(arbitraryFile, (file) => {
        const { blocks } = recipeOf(file);
        const list = createGrainList();
        let start = 0;
        for (const lengthBytes of blocks.lengths) {
          addGrains(list, cutter, ids.xxh64, file.subarray(start, start + lengthBytes));
          start += lengthBytes;
        }
        const grains = list.finish();
        expect(decodeGrains(encodeGrains(grains), blocks.lengths)).toEqual(grains);
      }),
    );
  });

  it.each([
    ['half a record', grainsOf(1000).subarray(1), [1000]],
    ['no grain of a block', grainsOf(), [1000]],
    ['a grain of no block', grainsOf(1000), []],
    ['an empty grain', grainsOf(0, 1000), [1000]],
    ['a grain that is too long', grainsOf(8193), [8193]],
    ['a grain that is too short', grainsOf(511, 600), [1111]],
    ['a grain over the end of its block', grainsOf(600, 600), [1000, 200]],
    ['less than the block', grainsOf(600), [1000]],
  ])('encoded grains are refused with %s', (_, bytes, blockLengths) => {
    expect(codeOf(() => decodeGrains(bytes, blockLengths))).toBe('invalid-request');
  });
});
