/** Reads some blocks of a file: neighbours at once, since to open a file costs more than to read what lies between two of them. */
import { BLOCK_BYTES } from './gear2.ts';

/** A range of a file, in bytes. */
export interface BlockRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** Reads the range `[from, to)` of a file, in bytes. */
export type RangeReader = (from: number, to: number) => AsyncIterable<Uint8Array>;

/** Most bytes between two blocks that are read and left alone. */
const GAP_BYTES = 128 * 1024;

/**
 * Gives the bytes of each block, of at most 256 KiB, in their order; each is valid until the next one is asked for. Ends early where
 * the file has not got all of one.
 *
 * @throws errors of the source
 */
export async function* readBlocks(
  read: RangeReader,
  blocks: readonly BlockRange[],
): AsyncGenerator<Uint8Array> {
  const scratch = Buffer.allocUnsafe(BLOCK_BYTES.max);
  for (let first = 0; first < blocks.length;) {
    const { end, to } = neighboursFrom(blocks, first);
    let place = blocks[first]!.offset;
    let filled = 0;
    for await (const piece of read(place, to)) {
      while (first < end) {
        const { offset, lengthBytes } = blocks[first]!;
        const from = Math.max(0, offset + filled - place);
        if (from >= piece.byteLength) break;
        const part = piece.subarray(from, offset + lengthBytes - place);
        const isInPiece = part.byteLength === lengthBytes;
        if (!isInPiece) scratch.set(part, filled);
        filled += part.byteLength;
        if (filled < lengthBytes) break;
        yield isInPiece ? part : scratch.subarray(0, lengthBytes);
        filled = 0;
        first += 1;
      }
      place += piece.byteLength;
    }
    if (first < end) return;
  }
}

/** The blocks from this one on that are read at once: the number behind the last of them, and where that ends in the file. */
function neighboursFrom(
  blocks: readonly BlockRange[],
  first: number,
): { readonly end: number; readonly to: number } {
  let end = first;
  let to = blocks[first]!.offset;
  for (; end < blocks.length; end += 1) {
    const { offset, lengthBytes } = blocks[end]!;
    if (offset < to || offset - to > GAP_BYTES) break;
    to = offset + lengthBytes;
  }
  return { end, to };
}
