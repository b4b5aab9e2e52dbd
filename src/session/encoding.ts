/** Encodings in which a chunk may cross the wire. Names are those of `Content-Encoding` (RFC 9110, RFC 8878). */

/** All that are known, the better first. */
export const CHUNK_ENCODINGS = ['zstd', 'gzip'] as const;

/** An encoding of a chunk's body; without one its bytes go as they are. */
export type ChunkEncoding = (typeof CHUNK_ENCODINGS)[number];

/** The largest window of a zstd frame, as a power of two: what a decoder has to keep in memory. */
export const ZSTD_WINDOW_LOG = 21;

/** Those of the offered encodings that this side can do, in the order of the offer; none where nothing was offered. */
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
