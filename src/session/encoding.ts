/** Encodings of chunks on the wire, by their names in `Content-Encoding` (RFC 9110, RFC 8878). */

/** All known encodings, the better first. */
export const CHUNK_ENCODINGS = ['zstd', 'gzip'] as const;

/** An encoding of a chunk's body. */
export type ChunkEncoding = (typeof CHUNK_ENCODINGS)[number];

/** The largest window of a zstd frame, as a power of two: a decoder needs so much memory. */
export const ZSTD_WINDOW_LOG = 21;

/** The offered encodings that this side supports, in the order of the offer. */
export function agreedEncodings(
  offered: readonly string[] | undefined,
  own: readonly ChunkEncoding[],
): ChunkEncoding[] {
  const agreed = new Set<ChunkEncoding>();
  for (const name of offered ?? []) {
    const known = own.find((encoding) => encoding === name);
    if (known !== undefined) agreed.add(known);
  }
  return [...agreed];
}
