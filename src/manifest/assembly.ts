/** How a new file is made of the ranges of it that are carried and of ranges of an old file. */
import type { CarriedRanges, CopiedRanges } from './compare-recipe.ts';
import type { Recipe } from './recipe.ts';

/** The parts of one file; the carried and the copied ranges have each of its bytes once. */
export interface Assembly {
  /** The blocks of the new file, by which the result is compared. */
  readonly recipe: Recipe;
  readonly carried: CarriedRanges;
  readonly copied: CopiedRanges;
}

/** A range of a new file, in bytes. */
export interface AssembledRange {
  readonly isCarried: boolean;
  /** Where its bytes begin: among the carried bytes, or in the old file. */
  readonly from: number;
  readonly lengthBytes: number;
}

/** Bytes that are carried. */
export function sumOfRanges(carried: CarriedRanges): number {
  let bytes = 0;
  for (let at = 1; at < carried.length; at += 2) bytes += carried[at]!;
  return bytes;
}

/** The ranges of a new file in order; they end early where they do not have all of its bytes. */
export function* rangesInOrder({ carried, copied }: Assembly): Generator<AssembledRange> {
  let carriedBytes = 0;
  for (let at = 0, part = 0, copy = 0; ;) {
    const isCarried = carried[part] === at;
    const lengthBytes = isCarried ? carried[part + 1]! : copied[copy + 1]!;
    if (!isCarried && copied[copy] !== at) return;
    yield { isCarried, lengthBytes, from: isCarried ? carriedBytes : copied[copy + 2]! };
    at += lengthBytes;
    if (isCarried) carriedBytes += lengthBytes;
    if (isCarried) part += 2;
    else copy += 3;
  }
}

/** The ranges of a new file, in bytes, in which a range of its carried bytes lies. */
export function* carriedPieces(
  carried: CarriedRanges,
  { from, to }: { readonly from: number; readonly to: number },
): Generator<{ readonly from: number; readonly to: number }> {
  let before = 0;
  for (let at = 0; at < carried.length && before < to; at += 2) {
    const [offset, lengthBytes] = [carried[at]!, carried[at + 1]!];
    const start = Math.max(from - before, 0);
    const end = Math.min(to - before, lengthBytes);
    if (start < end) yield { from: offset + start, to: offset + end };
    before += lengthBytes;
  }
}
