/** Recipes: the blocks of a file in order, and the grains of a block. */
import { CairnError } from '../base/errors.ts';
import { GRAIN_ID_BYTES, type CutIds } from './cut-ids.ts';
import { createCutListBuilder, type CutList, type CutListBuilder } from './cut-list.ts';
import type { Cutter } from './gear2.ts';

/** The blocks of a file, in order. */
export interface Recipe {
  readonly sizeBytes: number;
  readonly blocks: CutList;
}

/** Computes the recipe of a file from its bytes in order. */
export interface RecipeMaker {
  update(bytes: Uint8Array): void;
  /** The blocks that have ended so far. */
  blocks(): CutList;
  /** @throws CairnError `internal` where bytes are missing */
  finish(): Recipe;
}

/** Makes a {@link RecipeMaker} for a file of so many bytes; it has the cutter to itself until it has finished. */
export function createRecipeMaker(cutter: Cutter, ids: CutIds, sizeBytes: number): RecipeMaker {
  const blocks = createCutListBuilder(ids.blockIdBytes);
  let hasher = ids.createBlockHasher();
  let takenBytes = 0;
  /** Where the grain and the block begin that have not ended yet. */
  let grainStart = 0;
  let blockStart = 0;
  cutter.begin(sizeBytes);
  return {
    update: (bytes) => {
      let hashedTo = 0;
      cutter.update(bytes, (lengthBytes, endsBlock) => {
        grainStart += lengthBytes;
        if (!endsBlock) return;
        const end = grainStart - takenBytes;
        hasher.update(bytes.subarray(hashedTo, end));
        hashedTo = end;
        const { ids: out, at } = blocks.add(grainStart - blockStart);
        out.set(hasher.digest(), at);
        hasher = ids.createBlockHasher();
        blockStart = grainStart;
      });
      hasher.update(bytes.subarray(hashedTo));
      takenBytes += bytes.byteLength;
    },
    blocks: () => blocks.finish(),
    finish: () => {
      if (takenBytes !== sizeBytes) throw new CairnError('internal', 'a recipe lacks the end of its file');
      return { sizeBytes, blocks: blocks.finish() };
    },
  };
}

/** Makes a list for {@link addGrains}. */
export function createGrainList(): CutListBuilder {
  return createCutListBuilder(GRAIN_ID_BYTES);
}

/** Adds the grains of a block, which is whole. */
export function addGrains(grains: CutListBuilder, cutter: Cutter, ids: CutIds, block: Uint8Array): void {
  let start = 0;
  cutter.begin(block.byteLength);
  cutter.update(block, (lengthBytes) => {
    const { ids: out, at } = grains.add(lengthBytes);
    ids.writeGrainId(block.subarray(start, start + lengthBytes), out, at);
    start += lengthBytes;
  });
}
