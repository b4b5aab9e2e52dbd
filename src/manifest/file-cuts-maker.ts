/** Cuts a whole file in one reading: its blocks, and where they are wanted its checks. */
import type { CutIds } from './cut-ids.ts';
import type { CutList } from './cut-list.ts';
import { createCheckMaker } from './file-checks.ts';
import type { Cutter } from './gear2.ts';
import type { Cuts } from './kept-cuts-format.ts';
import { createRecipeMaker } from './recipe.ts';

/** Takes the bytes of a file in order. */
export interface CutsMaker {
  update(bytes: Uint8Array): void;
  /** The blocks that have ended so far. */
  blocks(): CutList;
  finish(): Cuts;
}

/** What makes the cuts of a file of so many bytes. */
export interface CutsMaking {
  readonly cutter: Cutter;
  readonly ids: CutIds;
  readonly withChecks: boolean;
}

/** Makes a {@link CutsMaker} for a file of so many bytes. */
export function createCutsMaker({ cutter, ids, withChecks }: CutsMaking, sizeBytes: number): CutsMaker {
  const recipe = createRecipeMaker(cutter, ids, sizeBytes);
  const checks = withChecks ? createCheckMaker(ids, sizeBytes) : undefined;
  return {
    update: (bytes) => {
      recipe.update(bytes);
      checks?.update(bytes);
    },
    blocks: recipe.blocks,
    finish: () => ({ recipe: recipe.finish(), checks: checks?.finish() }),
  };
}

/** Whether kept cuts will do: not where checks are wanted that nobody computed. */
export function areEnough(cuts: Cuts | undefined, withChecks: boolean): cuts is Cuts {
  return cuts !== undefined && (!withChecks || cuts.checks !== undefined);
}
