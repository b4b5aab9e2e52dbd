/** Ids of blocks and grains. */
import { loadHasher, loadXxhash, xxh64Hasher, type DigestAlgorithm, type Hasher } from './digest.ts';

/** Bytes of the id of a grain: XXH64 with seed 0, big-endian. It need not be safe, since checks are. */
export const GRAIN_ID_BYTES = 8;
/**
 * Bytes of the id of a block, and of a check, by the digest of the transfer: SHA-256, or XXH64, big-endian, with seed 0 for a
 * block and seed 1 for a check.
 */
export const BLOCK_ID_BYTES: Readonly<Record<DigestAlgorithm, number>> = { xxh64: 8, sha256: 32 };

/** Computes ids for the transfers of one digest algorithm. */
export interface CutIds {
  readonly blockIdBytes: number;
  /** Makes what computes the id of one block from its bytes in order. */
  createBlockHasher(): Hasher;
  /** Makes what computes one check of a file from its bytes in order. */
  createCheckHasher(): Hasher;
  /** Writes the id of a grain. */
  writeGrainId(grain: Uint8Array, out: Buffer, at: number): void;
}

/** Loads the hashes that ids are made of. */
export async function loadCutIds(algorithm: DigestAlgorithm): Promise<CutIds> {
  const api = await loadXxhash();
  const sha256 = await loadHasher('sha256');
  return {
    blockIdBytes: BLOCK_ID_BYTES[algorithm],
    createBlockHasher: algorithm === 'sha256' ? sha256 : () => xxh64Hasher(api, 0n),
    createCheckHasher: algorithm === 'sha256' ? sha256 : () => xxh64Hasher(api, 1n),
    writeGrainId: (grain, out, at) => void out.writeBigUInt64BE(api.h64Raw(grain), at),
  };
}
