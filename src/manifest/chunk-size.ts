/** How large the chunks of a transfer are, where nobody says. */

const MIB = 1024 * 1024;
/** Chunks of one request and one answer each: larger ones cost less, smaller ones share a line better. */
const RANGE = { min: MIB, max: 8 * MIB };
/**
 * So many chunks keep many connections busy to the end, where one that is slow must not hold up the others. On a long
 * line there are more connections, and what a chunk costs the machines counts less.
 */
export const WISHED_CHUNKS = { usual: 128, onLongLine: 256 };

/** Chunk size for so many bytes, a power of two from 1 to 8 MiB. */
export function chunkSizeFor(bytesTotal: number, wishedChunks: number = WISHED_CHUNKS.usual): number {
  let size = RANGE.max;
  while (size > RANGE.min && bytesTotal / size < wishedChunks) size /= 2;
  return size;
}

/** Chunk size for a tree whose size is not known yet. */
export const UNKNOWN_TREE_CHUNK_SIZE_BYTES = 4 * MIB;
