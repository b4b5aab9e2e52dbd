/** Chooses the chunk size of a transfer where no option sets it. */

const MIB = 1024 * 1024;
/** A chunk costs one request and one answer: larger ones cost less, smaller ones share a line better. */
const RANGE = { min: MIB, max: 8 * MIB };
/**
 * So many chunks keep many connections busy to the end, when a slow one must not delay the others. A long line has more
 * connections, and the cost of a chunk for the machines counts less.
 */
export const WISHED_CHUNKS = { usual: 128, onLongLine: 256 };

/** Chunk size in bytes for a transfer of `bytesTotal`: a power of two from 1 to 8 MiB. */
export function chunkSizeFor(bytesTotal: number, wishedChunks: number = WISHED_CHUNKS.usual): number {
  let size = RANGE.max;
  while (size > RANGE.min && bytesTotal / size < wishedChunks) size /= 2;
  return size;
}

/** Chunk size for a tree of unknown size. */
export const UNKNOWN_TREE_CHUNK_SIZE_BYTES = 4 * MIB;
