/** Whether staged bytes are those that a digest was made of. */
import { CairnError } from '../base/errors.ts';
import { sameDigest, type HasherFactory } from '../manifest/digest.ts';

/** Bytes that are not there, and bytes that the disk does not give back: both have to come again. */
const LOST = new Set(['chunks-missing', 'storage-io']);

/**
 * Hashes `pieces` and compares. Bytes that cannot be read for good are wrong ones, too.
 *
 * @throws CairnError where a person has to act before anything can be said: no permission, too many open files
 */
export async function chunkAgrees(
  pieces: AsyncIterable<Uint8Array>,
  digest: Uint8Array,
  createHasher: HasherFactory,
): Promise<boolean> {
  const hasher = createHasher();
  try {
    for await (const piece of pieces) hasher.update(piece);
  } catch (error) {
    if (error instanceof CairnError && LOST.has(error.code)) return false;
    throw error;
  }
  return sameDigest(hasher.digest(), digest);
}
