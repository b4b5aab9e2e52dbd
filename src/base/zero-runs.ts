/** Long runs of zeros in the bytes of a file: they need no room on the disk. */
import { writeFullySync } from './durable-files.ts';

/** The block of most file systems. */
const BLOCK_BYTES = 4096;
const ZEROS = new Uint8Array(BLOCK_BYTES);

/** A part of a piece, and whether it is all zeros. */
export interface ZeroRun {
  readonly from: number;
  readonly to: number;
  readonly isZero: boolean;
}

/** Splits a piece that lies at `position` of its file into runs of zero blocks and of others, at the blocks of the file. */
export function* zeroRuns(piece: Uint8Array, position: number): Generator<ZeroRun> {
  let from = 0;
  let isZero: boolean | undefined;
  for (let at = 0; at < piece.byteLength;) {
    const end = Math.min(piece.byteLength, at + BLOCK_BYTES - ((position + at) % BLOCK_BYTES));
    const isZeroBlock = Buffer.compare(piece.subarray(at, end), ZEROS.subarray(0, end - at)) === 0;
    if (isZero !== undefined && isZeroBlock !== isZero) {
      yield { from, to: at, isZero };
      from = at;
    }
    isZero = isZeroBlock;
    at = end;
  }
  if (isZero !== undefined) yield { from, to: piece.byteLength, isZero };
}

/**
 * Writes the bytes that are no long run of zeros: in a new file the rest becomes a hole. The caller gives the file its
 * length. Answers how many bytes there were.
 */
export function writeSparselySync(fd: number, buffer: Uint8Array, position: number): number {
  for (const { from, to, isZero } of zeroRuns(buffer, position))
    if (!isZero) writeFullySync(fd, buffer.subarray(from, to), position + from);
  return buffer.byteLength;
}
