/** Compares two versions of a file: first their blocks, then the grains of the blocks that one of them alone has. */
import type { Assembly } from '../../manifest/assembly.ts';
import { carriedRanges, type ComparedGrains, copiedRanges } from '../../manifest/compare-recipe.ts';
import { createCutIndex, placesFrom } from '../../manifest/cut-index.ts';
import { GRAIN_ID_BYTES } from '../../manifest/cut-ids.ts';
import type { CutList } from '../../manifest/cut-list.ts';
import type { Cuts } from '../../manifest/kept-cuts-format.ts';
import type { Recipe } from '../../manifest/recipe.ts';
import type { BlockLine } from '../../wire/block-lines.ts';

/** Most grains of all files in memory, about: those of 512 MiB of blocks of each side. */
export const MAX_GRAINS = 2 ** 19;
/** Fewer bytes than a grain has on average. */
const GRAIN_USUAL_BYTES = 2048;
/** What a grain takes on the wire, and how long it is on average, in bytes. */
const GRAIN_RECORD = { bytes: 2 + GRAIN_ID_BYTES, ofBytes: 2300 };

/** Two versions of a file, compared block by block. */
export interface ComparedBlocks {
  readonly recipe: Recipe;
  readonly checks: Recipe;
  /** Where each block of the newer version is in the older one, in bytes; -1 where it is not. */
  readonly places: Float64Array;
  /** The blocks that are to be compared by grains; none where that cannot save more than it costs. */
  readonly refined: {
    /** The numbers of these blocks of the newer version. */
    readonly numbers: readonly number[];
    readonly newer: BlockLine['blocks'];
    readonly older: BlockLine['blocks'];
  };
}

/** Compares blocks. `budget` is how many grains still have room in memory; it is taken from. */
export function compareBlocks(
  { recipe, checks }: Cuts & { readonly checks: Recipe },
  { blocks: old }: Recipe,
  budget: { grains: number },
): ComparedBlocks {
  const oldPlaces = placesFrom(old, 0);
  const places = createCutIndex(old, oldPlaces).placesOf(recipe.blocks);
  const found = createCutIndex(recipe.blocks, placesFrom(recipe.blocks, 0)).placesOf(old);
  const before = budget.grains;
  // Half of it for each side: the grains of one side alone are in common with none.
  const own = { grains: Math.floor(before / 2) };
  budget.grains -= own.grains;
  const numbers = missingBlocks(recipe.blocks, places, own);
  const newer = rangesOf(recipe.blocks, placesFrom(recipe.blocks, 0), numbers);
  const older = rangesOf(old, oldPlaces, missingBlocks(old, found, budget));
  budget.grains += own.grains;
  if (savesByGrains(newer, older)) return { recipe, checks, places, refined: { numbers, newer, older } };
  budget.grains = before;
  return { recipe, checks, places, refined: { numbers: [], newer: [], older: [] } };
}

/** Grains are in common at most as far as the smaller side goes, and the ids of one side have to cross. */
function savesByGrains(newer: BlockLine['blocks'], older: BlockLine['blocks']): boolean {
  const [a, b] = [bytesOf(newer), bytesOf(older)];
  return Math.min(a, b) * GRAIN_RECORD.ofBytes > Math.max(a, b) * GRAIN_RECORD.bytes;
}

function bytesOf(blocks: BlockLine['blocks']): number {
  return blocks.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

/** The numbers of the blocks that are not there, as far as their grains have room. */
function missingBlocks(list: CutList, places: Float64Array, budget: { grains: number }): number[] {
  const missing: number[] = [];
  for (let index = 0; index < list.count; index += 1) {
    if (places[index]! >= 0) continue;
    const about = Math.ceil(list.lengths[index]! / GRAIN_USUAL_BYTES);
    if (about > budget.grains) break;
    budget.grains -= about;
    missing.push(index);
  }
  return missing;
}

function rangesOf(list: CutList, places: Float64Array, numbers: readonly number[]): BlockLine['blocks'] {
  return numbers.map((index) => ({ offset: places[index]!, lengthBytes: list.lengths[index]! }));
}

/** The parts of a file. `grains` are those of the blocks to be refined of both versions; without them by blocks alone. */
export function assemblyOf(
  { recipe, checks, places, refined }: ComparedBlocks,
  grains?: { readonly newer: CutList; readonly older: CutList },
): Assembly {
  const compared: ComparedGrains | undefined = grains && {
    blocks: refined.numbers,
    grains: grains.newer,
    places: createCutIndex(grains.older, grainPlaces(grains.older, refined.older)).placesOf(grains.newer),
  };
  return {
    recipe: checks,
    carried: carriedRanges(recipe, places, compared),
    copied: copiedRanges(recipe, places, compared),
  };
}

/** Where the grains of some blocks lie in their file. */
function grainPlaces(grains: CutList, blocks: BlockLine['blocks']): Float64Array {
  const places = new Float64Array(grains.count);
  let grain = 0;
  for (const { offset, lengthBytes } of blocks) {
    for (let at = offset; at < offset + lengthBytes; grain += 1) {
      places[grain] = at;
      at += grains.lengths[grain]!;
    }
  }
  return places;
}
