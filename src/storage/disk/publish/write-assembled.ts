/**
 * Writes an assembled file: its next bytes are read, those before them hashed, and those before these written, all at the
 * same time. A sync on the way would only hold up the writing (measured: 1 GiB took 2.6 s instead of 1.0 s).
 */
import { readSync } from 'node:fs';
import { writeFullyAt } from '../../../base/write-fully-at.ts';
import { zeroRuns } from '../../../base/zero-runs.ts';
import { readOnce } from '../tree/read-pieces.ts';

/** Larger writes go to larger pages of the cache, which new kernels take long to make room for (measured: 0.5 or 1.7 s a GiB). */
const PIECE_BYTES = 256 * 1024;
/** One is filled, one hashed, one written. */
const BUFFERS = 3;
/** Up to this size a call that waits costs less than the thread pool. */
const SYNC_READ_BYTES = 64 * 1024;

/** A run of bytes of the new file. */
export interface SourceRange {
  readonly fd: number;
  /** Its place in that file. */
  readonly from: number;
  readonly lengthBytes: number;
  /** Whether the new file has these bytes at this place already. */
  readonly isInPlace: boolean;
}

/** How a file is written. */
export interface Writing {
  /** Whether long runs of zeros become holes, in a file that has no bytes yet; the caller gives it its length. */
  readonly isSparse: boolean;
  /** Looks at each piece in order, in place or not; false ends the writing. */
  readonly check: (piece: Uint8Array) => boolean;
}

/**
 * Writes ranges to a file, one behind the other; answers the number of bytes, which is less than their sum where a file has
 * not got all of a range, and `undefined` where a piece was not right.
 *
 * @throws system errors; CairnError `storage-io`
 */
export async function writeAssembled(
  fd: number,
  ranges: Iterable<SourceRange>,
  { isSparse, check }: Writing,
): Promise<number | undefined> {
  const fill = createFiller(ranges);
  const buffers = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(PIECE_BYTES));
  let filling = heard(fill(buffers[0]!));
  let writing = Promise.resolve(0);
  try {
    let at = 0;
    for (let turn = 1; ; turn += 1) {
      const { bytes, isInPlace } = await filling;
      if (bytes.byteLength === 0) break;
      filling = heard(fill(buffers[turn % BUFFERS]!));
      if (!check(bytes)) return undefined;
      await writing;
      if (!isInPlace) writing = heard(writePiece(fd, bytes, { at, isSparse }));
      at += bytes.byteLength;
    }
    await writing;
    return at;
  } finally {
    // The caller closes the files, whose numbers may then belong to others.
    await Promise.allSettled([filling, writing]);
  }
}

interface Piece {
  readonly bytes: Uint8Array;
  readonly isInPlace: boolean;
}

/** Fills buffers with the ranges in order; with nothing at the end, or where a file has not got its bytes. */
function createFiller(ranges: Iterable<SourceRange>): (buffer: Buffer) => Promise<Piece> {
  const rest = ranges[Symbol.iterator]();
  let range: SourceRange | undefined;
  let takenBytes = 0;
  let isOver = false;
  const next = (): SourceRange | undefined => {
    if (range !== undefined && takenBytes < range.lengthBytes) return range;
    const { value, done } = rest.next();
    takenBytes = 0;
    range = done === true ? undefined : value;
    return range;
  };
  return async (buffer) => {
    const first = isOver ? undefined : next();
    if (first === undefined) return { bytes: buffer.subarray(0, 0), isInPlace: false };
    let done = 0;
    for (let one = next(); one?.isInPlace === first.isInPlace && done < buffer.byteLength; one = next()) {
      const room = buffer.subarray(
        done,
        done + Math.min(buffer.byteLength - done, one.lengthBytes - takenBytes),
      );
      const bytesRead = await readInto(one.fd, room, one.from + takenBytes);
      isOver = bytesRead === 0;
      if (isOver) break;
      done += bytesRead;
      takenBytes += bytesRead;
    }
    return { bytes: buffer.subarray(0, done), isInPlace: first.isInPlace };
  };
}

function readInto(fd: number, room: Buffer, position: number): number | Promise<number> {
  if (room.byteLength <= SYNC_READ_BYTES) return readSync(fd, room, 0, room.byteLength, position);
  return readOnce(fd, room, position);
}

/** It may fail while another one is waited for. */
function heard<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}

async function writePiece(
  fd: number,
  piece: Uint8Array,
  { at, isSparse }: { readonly at: number; readonly isSparse: boolean },
): Promise<number> {
  if (!isSparse) return writeFullyAt(fd, piece, at);
  for (const { from, to, isZero } of zeroRuns(piece, at))
    if (!isZero) await writeFullyAt(fd, piece.subarray(from, to), at + from);
  return piece.byteLength;
}
