/** The checks of a file: the id of each {@link CHECK_BYTES} of it, by which it is proved once it is assembled. */
import type { CutIds } from './cut-ids.ts';
import { createCutListBuilder } from './cut-list.ts';
import type { Hasher } from './digest.ts';
import { CHECK_BYTES, checkLengths } from './parts-document.ts';
import type { Recipe } from './recipe.ts';

/** Computes the checks of a file from its bytes in order. */
export interface CheckMaker {
  update(bytes: Uint8Array): void;
  finish(): Recipe;
}

/** Makes a {@link CheckMaker} for a file of so many bytes. */
export function createCheckMaker(ids: CutIds, sizeBytes: number): CheckMaker {
  const checks = createCutListBuilder(ids.blockIdBytes);
  let hasher: Hasher = ids.createBlockHasher();
  let begunBytes = 0;
  const close = (): void => {
    const { ids: out, at } = checks.add(begunBytes);
    out.set(hasher.digest(), at);
    hasher = ids.createBlockHasher();
    begunBytes = 0;
  };
  return {
    update: (bytes) => {
      for (let at = 0; at < bytes.byteLength;) {
        const take = Math.min(CHECK_BYTES - begunBytes, bytes.byteLength - at);
        hasher.update(bytes.subarray(at, at + take));
        begunBytes += take;
        at += take;
        if (begunBytes === CHECK_BYTES) close();
      }
    },
    finish: () => {
      if (begunBytes > 0) close();
      return { sizeBytes, blocks: checks.finish() };
    },
  };
}

/** The checks of a file of this size from their ids, one behind the other; undefined where that is another number of ids. */
export function checksOf(ids: Buffer, sizeBytes: number, idBytes: number): Recipe | undefined {
  const lengths = checkLengths(sizeBytes);
  if (ids.byteLength !== lengths.length * idBytes) return undefined;
  return { sizeBytes, blocks: { count: lengths.length, lengths, ids, idBytes } };
}
