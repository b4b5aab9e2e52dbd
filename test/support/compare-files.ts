/** Two versions of a file in memory, compared as both sides of a transfer do together. */
import type { Assembly } from '../../src/manifest/assembly.ts';
import { carriedRanges, copiedRanges, type ComparedGrains } from '../../src/manifest/compare-recipe.ts';
import { createCutIndex, placesFrom } from '../../src/manifest/cut-index.ts';
import { loadCutIds, type CutIds } from '../../src/manifest/cut-ids.ts';
import { createCheckMaker } from '../../src/manifest/file-checks.ts';
import { createCutter } from '../../src/manifest/gear2.ts';
import { addGrains, createGrainList, createRecipeMaker, type Recipe } from '../../src/manifest/recipe.ts';

const cutter = createCutter();
const idsOf = { xxh64: await loadCutIds('xxh64'), sha256: await loadCutIds('sha256') };

function recipeOf(file: Buffer, ids: CutIds): Recipe {
  const maker = createRecipeMaker(cutter, ids, file.length);
  maker.update(file);
  return maker.finish();
}

/** What a comparison gives. */
export interface ComparedFiles {
  readonly recipe: Recipe;
  readonly places: Float64Array;
  readonly grains: ComparedGrains;
}

/** Compares blocks, then the grains of those that are not there with all old grains. */
export function compareFiles(
  older: Buffer,
  newer: Buffer,
  algorithm: 'xxh64' | 'sha256' = 'xxh64',
): ComparedFiles {
  const ids = idsOf[algorithm];
  const recipe = recipeOf(newer, ids);
  const { blocks: oldBlocks } = recipeOf(older, ids);
  const places = createCutIndex(oldBlocks, placesFrom(oldBlocks, 0)).placesOf(recipe.blocks);
  const starts = placesFrom(recipe.blocks, 0);
  const missing = [...places.keys()].filter((block) => places[block]! < 0);
  const wanted = createGrainList();
  for (const block of missing) {
    const start = starts[block]!;
    addGrains(wanted, cutter, ids, newer.subarray(start, start + recipe.blocks.lengths[block]!));
  }
  const there = createGrainList();
  addGrains(there, cutter, ids, older);
  const oldGrains = there.finish();
  const grains = wanted.finish();
  const grainPlaces = createCutIndex(oldGrains, placesFrom(oldGrains, 0)).placesOf(grains);
  return { recipe, places, grains: { blocks: missing, grains, places: grainPlaces } };
}

/** How the new file is made of the old one. */
export function assemblyOf(older: Buffer, newer: Buffer, algorithm: 'xxh64' | 'sha256' = 'xxh64'): Assembly {
  const { recipe, places, grains } = compareFiles(older, newer, algorithm);
  const checks = createCheckMaker(idsOf[algorithm], newer.length);
  checks.update(newer);
  return {
    recipe: checks.finish(),
    carried: carriedRanges(recipe, places, grains),
    copied: copiedRanges(recipe, places, grains),
  };
}

/** The carried bytes of a new file, one range behind the other. */
export function carriedOf({ carried }: Assembly, newer: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < carried.length; at += 2) {
    pieces.push(newer.subarray(carried[at], carried[at]! + carried[at + 1]!));
  }
  return Buffer.concat(pieces);
}
