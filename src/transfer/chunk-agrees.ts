/** Whether staged bytes have the expected digest. */
import { CairnError } from '../base/errors.ts';
import { sameDigest, type HasherFactory } from '../manifest/digest.ts';

/** Codes for missing bytes and for bytes that the disk cannot read: the sender has to send both again. */
const LOST = new Set(['chunks-missing', 'storage-io']);

/**
 * Hashes `pieces` and compares. Bytes that can never be read count as wrong.
 *
 * @throws CairnError where a person has to act before the bytes can be checked: no permission, too many open files
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
