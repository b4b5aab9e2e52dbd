/**
 * Checks of a file: the ids of runs of its bytes, which prove what was put together from ranges of other files. No check is used to
 * find bytes, so an accident by which a range was found does not agree with its check, too.
 */
import type { CutIds } from './cut-ids.ts';
import { createCutListBuilder } from './cut-list.ts';
import type { Hasher } from './digest.ts';
import { checkLengths } from './parts-document.ts';
import type { Recipe } from './recipe.ts';

/** Computes the checks of a file from its bytes in order. */
export interface CheckMaker {
  update(bytes: Uint8Array): void;
  finish(): Recipe;
}

/** Makes a {@link CheckMaker} for a file of so many bytes. */
export function createCheckMaker(ids: CutIds, sizeBytes: number): CheckMaker {
  const checks = createCutListBuilder(ids.blockIdBytes);
  const feed = createFeeder(ids, checkLengths(sizeBytes), (digest, lengthBytes) => {
    const { ids: out, at } = checks.add(lengthBytes);
    out.set(digest, at);
    return true;
  });
  return {
    update: (bytes) => void feed.update(bytes),
    finish: () => ({ sizeBytes, blocks: checks.finish() }),
  };
}

/** Compares a file with its checks. */
export interface CheckComparison {
  /** Takes the next bytes; false where a check that ends in them does not agree. */
  update(bytes: Uint8Array): boolean;
  /** Whether all bytes came. */
  isWhole(): boolean;
}

/** Makes a {@link CheckComparison}. */
export function compareChecks({ blocks }: Recipe, ids: CutIds): CheckComparison {
  let count = 0;
  const feed = createFeeder(ids, blocks.lengths, (digest) => {
    const from = count * blocks.idBytes;
    count += 1;
    return blocks.ids.subarray(from, from + blocks.idBytes).equals(digest);
  });
  return { update: feed.update, isWhole: () => count === blocks.count };
}

/** Hashes runs of these lengths; false where a run does not please `onRun`, or there are more bytes than runs. */
function createFeeder(
  ids: CutIds,
  lengths: ArrayLike<number>,
  onRun: (digest: Uint8Array, lengthBytes: number) => boolean,
): { update(bytes: Uint8Array): boolean } {
  let run = 0;
  let leftBytes = lengths[0] ?? 0;
  let hasher: Hasher = ids.createCheckHasher();
  return {
    update: (bytes) => {
      for (let at = 0; at < bytes.byteLength;) {
        const take = Math.min(leftBytes, bytes.byteLength - at);
        if (take === 0) return false;
        hasher.update(bytes.subarray(at, at + take));
        at += take;
        leftBytes -= take;
        if (leftBytes > 0) continue;
        if (!onRun(hasher.digest(), lengths[run]!)) return false;
        run += 1;
        leftBytes = lengths[run] ?? 0;
        hasher = ids.createCheckHasher();
      }
      return true;
    },
  };
}

/** The checks of a file of this size from their ids, one behind the other; undefined where that is another number of ids. */
export function checksOf(ids: Buffer, sizeBytes: number, idBytes: number): Recipe | undefined {
  const lengths = checkLengths(sizeBytes);
  if (ids.byteLength !== lengths.length * idBytes) return undefined;
  return { sizeBytes, blocks: { count: lengths.length, lengths, ids, idBytes } };
}
