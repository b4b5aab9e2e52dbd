/** A stream of bytes for a pipe, and the digest of what went through it. */
import { createHash, randomBytes } from 'node:crypto';

const MIB = 1024 * 1024;

/** A stream whose content repeats in no chunk, with its digest. */
export function stream(sizeBytes: number): { pieces: Iterable<Uint8Array>; digest: () => string } {
  const hash = createHash('sha256');
  const block = randomBytes(MIB);
  function* pieces(): Generator<Uint8Array> {
    for (let at = 0; at < sizeBytes; at += MIB) {
      const piece = Buffer.from(block.subarray(0, Math.min(MIB, sizeBytes - at)));
      piece.writeUInt32BE((at / MIB) >>> 0, 0);
      hash.update(piece);
      yield piece;
    }
  }
  return { pieces: pieces(), digest: () => hash.digest('hex') };
}

/** SHA-256 in hexadecimal digits. */
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
