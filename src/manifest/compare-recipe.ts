/**
 * Compares the recipe of a new file with an old file: some ranges are carried, the others are copied from the old
 * file. Both sides compute the same carried ranges; only the receiver knows the offsets in the old file.
 */
import { CairnError } from '../base/errors.ts';
import type { CutList } from './cut-list.ts';
import type { Recipe } from './recipe.ts';

/** Blocks of a recipe that are not there as a whole and were compared grain by grain. */
export interface ComparedGrains {
  /** The numbers of these blocks, ascending. */
  readonly blocks: ArrayLike<number>;
  /** All their grains, in order. */
  readonly grains: CutList;
  /** The offset of each grain in the old file, in bytes; -1 where the file has not got it. */
  readonly places: ArrayLike<number>;
}

/** A range of the new file, and its offset in the old one; -1 where it has to be carried. */
interface ComparedRange {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly place: number;
}

/** The ranges of a new file that are carried: offset, length, offset, length, …, in bytes, ascending, with gaps between. */
export type CarriedRanges = readonly number[];
/** The other ranges: offset in the new file, length, offset in the old file, and so on, in bytes; ascending. */
export type CopiedRanges = readonly number[];

/**
 * The ranges of a file that have to be carried.
 *
 * @param places the offset of each block in the old file; -1 where the file has not got it. Here only the sign counts
 * @throws CairnError `invalid-request` where the grains are not those of their blocks
 */
export function carriedRanges(
  recipe: Recipe,
  places: ArrayLike<number>,
  compared?: ComparedGrains,
): CarriedRanges {
  const ranges: number[] = [];
  let end = -1;
  for (const { offset, lengthBytes, place } of compareBlocks(recipe, places, compared)) {
    if (place >= 0) continue;
    if (offset === end) ranges[ranges.length - 1]! += lengthBytes;
    else ranges.push(offset, lengthBytes);
    end = offset + lengthBytes;
  }
  return ranges;
}

/** The ranges of a file that are copied from the old one. @throws CairnError like {@link carriedRanges} */
export function copiedRanges(
  recipe: Recipe,
  places: ArrayLike<number>,
  compared?: ComparedGrains,
): CopiedRanges {
  const ranges: number[] = [];
  let end = -1;
  let placeEnd = -1;
  for (const { offset, lengthBytes, place } of compareBlocks(recipe, places, compared)) {
    if (place < 0) continue;
    if (offset === end && place === placeEnd) ranges[ranges.length - 2]! += lengthBytes;
    else ranges.push(offset, lengthBytes, place);
    end = offset + lengthBytes;
    placeEnd = place + lengthBytes;
  }
  return ranges;
}

function* compareBlocks(
  { blocks }: Recipe,
  places: ArrayLike<number>,
  compared: ComparedGrains = { blocks: [], grains: NO_GRAINS, places: [] },
): Generator<ComparedRange> {
  let offset = 0;
  let refined = 0;
  let grain = 0;
  for (let block = 0; block < blocks.count; block += 1) {
    const lengthBytes = blocks.lengths[block]!;
    const place = places[block]!;
    if (compared.blocks[refined] !== block) {
      yield { offset, lengthBytes, place };
      offset += lengthBytes;
      continue;
    }
    refined += 1;
    const end = offset + lengthBytes;
    for (; offset < end; grain += 1) {
      const grainBytes = compared.grains.lengths[grain] ?? Infinity;
      if (offset + grainBytes > end) throw notOfTheirBlocks();
      yield { offset, lengthBytes: grainBytes, place: compared.places[grain]! };
      offset += grainBytes;
    }
  }
  if (refined !== compared.blocks.length || grain !== compared.grains.count) throw notOfTheirBlocks();
}

const NO_GRAINS: CutList = { count: 0, lengths: new Uint32Array(), ids: Buffer.alloc(0), idBytes: 8 };

function notOfTheirBlocks(): CairnError {
  return new CairnError('invalid-request', 'the grains of a recipe are not those of its blocks');
}
