/** How large the chunks of a transfer are, where nobody says. */

const MIB = 1024 * 1024;
/** Chunks of one request and one answer each: larger ones cost less, smaller ones share a line better. */
const RANGE = { min: MIB, max: 8 * MIB };
/** So many chunks keep many connections busy to the end, where one that is slow must not hold up the others. */
const WISHED_CHUNKS = 128;

/** Chunk size for so many bytes, a power of two from 1 to 8 MiB. */
export function chunkSizeFor(bytesTotal: number): number {
  let size = RANGE.max;
  while (size > RANGE.min && bytesTotal / size < WISHED_CHUNKS) size /= 2;
  return size;
}

/** Chunk size for a tree whose size is not known yet. */
export const UNKNOWN_TREE_CHUNK_SIZE_BYTES = 4 * MIB;
