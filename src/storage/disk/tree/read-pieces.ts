/** Reads a range of an open file in large pieces, one ahead of the reader, so that disk and network overlap. */
import { read } from 'node:fs';

/** Measured: 1 MiB slices are read, hashed and sent while still in the processor's cache. */
const PIECE_BYTES = 1024 * 1024;

/** Buffers that are free again: new ones cost the kernel a page at a time, and burden the garbage collector. */
const spare: Buffer[] = [];
const MAX_SPARE = 16;

type Outcome = { readonly bytes: Uint8Array } | { readonly error: unknown };

/**
 * Yields bytes `[from, to)` of `fd`; ends early at the end of the file. It may overwrite a piece once the reader asks
 * for the piece after the next, or for the end. The caller may close the descriptor only after the generator has ended.
 *
 * @throws system errors
 */
export async function* readPieces(fd: number, from: number, to: number): AsyncGenerator<Uint8Array> {
  const size = Math.min(PIECE_BYTES, Math.max(0, to - from));
  const buffers = [takeBuffer(size), takeBuffer(to - from > size ? size : 0)];
  const start = (position: number, turn: number): Promise<Outcome> =>
    fill(fd, buffers[turn % 2]!.subarray(0, Math.min(size, to - position)), position);
  let ahead: Promise<Outcome> | undefined;
  let isReadWhole = false;
  try {
    ahead = start(from, 0);
    for (let position = from, turn = 0; position < to; turn += 1) {
      const outcome = await ahead;
      ahead = undefined;
      if ('error' in outcome) throw outcome.error;
      const { bytes } = outcome;
      if (bytes.byteLength === 0) return;
      position += bytes.byteLength;
      // A short piece is the end of the file.
      if (position < to && bytes.byteLength === size) ahead = start(position, turn + 1);
      yield bytes;
      if (ahead === undefined) break;
    }
    isReadWhole = true;
  } finally {
    // A reader that stops early closes the descriptor next, whose number may then belong to another file.
    await ahead;
    // Such a reader may also still use a piece.
    if (isReadWhole) for (const buffer of buffers) giveBack(buffer);
  }
}

function takeBuffer(size: number): Buffer {
  return (size === PIECE_BYTES ? spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
}

function giveBack(buffer: Buffer): void {
  if (buffer.byteLength === PIECE_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
}

/** Never rejects: a read ahead may fail while no caller waits. */
async function fill(fd: number, buffer: Uint8Array, position: number): Promise<Outcome> {
  let done = 0;
  try {
    while (done < buffer.byteLength) {
      const bytesRead = await readOnce(fd, buffer.subarray(done), position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
  } catch (error) {
    return { error };
  }
  return { bytes: buffer.subarray(0, done) };
}

/** Reads once, in the thread pool; answers the number of bytes, 0 at the end of the file. @throws system errors */
export function readOnce(fd: number, buffer: Uint8Array, position: number): Promise<number> {
  return new Promise((done, fail) => {
    read(fd, buffer, 0, buffer.byteLength, position, (error, bytesRead) => {
      if (error === null) done(bytesRead);
      else fail(error);
    });
  });
}
