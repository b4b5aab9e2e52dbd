/** Reads a range of an open file without reading its holes. */
import type { FindData } from '../../../base/file-holes.ts';
import { zeros } from '../../../transfer/excluded-entries.ts';
import { readPieces } from './read-pieces.ts';

/** To read over a shorter hole costs less than to stop before it and to begin behind it. */
const LEAST_HOLE_BYTES = 256 * 1024;
/** So often a range is asked for its data; the rest of one with so many holes is read. */
const MOST_QUESTIONS = 64;

/**
 * Yields bytes `[from, to)` of `fd` as {@link readPieces} does, and under its conditions; of long holes the zeros that they
 * stand for, which must not be written to.
 *
 * @throws system errors
 */
export async function* readData(
  fd: number,
  { from, to }: { readonly from: number; readonly to: number },
  findData: FindData | undefined,
): AsyncGenerator<Uint8Array> {
  if (findData === undefined) {
    yield* readPieces(fd, from, to);
    return;
  }
  let left = MOST_QUESTIONS;
  const find: FindData = (...where) =>
    (left -= 1) < 0 ? { from: where[1], to: Infinity } : findData(...where);
  for (let at = from; at < to;) {
    const data = nextData(find, fd, at, to);
    yield* zeros(data.from - at);
    at = data.from;
    for await (const piece of readPieces(fd, at, data.to)) {
      at += piece.byteLength;
      yield piece;
    }
    // The file has become shorter, which the reader notices.
    if (at < data.to) return;
  }
}

/** The next bytes to be read, within `[at, to)`; short holes among them are taken for data. */
function nextData(find: FindData, fd: number, at: number, to: number): { from: number; to: number } {
  const first = find(fd, at);
  const from = first.from - at < LEAST_HOLE_BYTES && first.from < to ? at : Math.min(first.from, to);
  let end = first.to;
  while (end < to) {
    const next = find(fd, end);
    if (next.from - end >= LEAST_HOLE_BYTES) break;
    end = next.to;
  }
  return { from, to: Math.max(from, Math.min(end, to)) };
}
