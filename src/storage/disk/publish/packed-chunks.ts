/** Cuts small files out of their packed chunks; reads these in order and in large pieces. */
import { closeSync, constants, readSync } from 'node:fs';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import type { Publication } from './publication.ts';
import { packedName } from '../staging/staged-names.ts';

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Most bytes of a chunk in memory; a thousand small transfers take little. */
const MAX_WINDOW_BYTES = 1024 * 1024;

/** Reads packed chunks; fastest when the caller asks for entries in order. Close it. */
export class PackedChunks {
  readonly #publication: Pick<Publication, 'layout' | 'folder'>;
  #window = Buffer.alloc(0);
  #windowStart = 0;
  #windowEnd = 0;
  #chunk = -1;
  #fd: number | undefined;

  /** The packed chunks of the entries that are being published. */
  constructor(publication: Pick<Publication, 'layout' | 'folder'>) {
    this.#publication = publication;
  }

  /** The bytes of a small file, in pieces that the next piece overwrites. @throws CairnError `chunks-missing`, storage codes */
  *segmentOf(entryIndex: number, sizeBytes: number): Generator<Uint8Array> {
    if (sizeBytes === 0) return;
    const { layout } = this.#publication;
    const { first, count } = layout.chunksOf(entryIndex);
    if (count !== 1) throw new CairnError('internal', `entry ${entryIndex} is in no packed chunk`);
    if (first !== this.#chunk) this.#open(first);
    const start = layout.chunkOffsetOf(entryIndex);
    for (let at = start; at < start + sizeBytes;) {
      const piece = this.#read(at, start + sizeBytes - at);
      yield piece;
      at += piece.byteLength;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#chunk = -1;
  }

  #open(chunk: number): void {
    this.close();
    try {
      this.#fd = this.#publication.folder.openFile(packedName(chunk), READ_FLAGS);
    } catch (error) {
      throw systemCodeOf(error) === 'ENOENT' ? gone(chunk) : unreadable(chunk, error);
    }
    const windowBytes = Math.min(MAX_WINDOW_BYTES, this.#publication.layout.chunkLengthBytes(chunk));
    if (this.#window.byteLength < windowBytes) this.#window = Buffer.allocUnsafeSlow(windowBytes);
    this.#chunk = chunk;
    this.#windowStart = 0;
    this.#windowEnd = 0;
  }

  /** At most `length` bytes from `at` on; all of them where they fit the window. */
  #read(at: number, length: number): Uint8Array {
    const wanted = Math.min(length, this.#window.byteLength);
    if (at < this.#windowStart || at + wanted > this.#windowEnd) this.#fill(at);
    const end = Math.min(at + wanted, this.#windowEnd);
    if (end <= at) throw gone(this.#chunk);
    return this.#window.subarray(at - this.#windowStart, end - this.#windowStart);
  }

  #fill(start: number): void {
    if (this.#fd === undefined) throw new CairnError('internal', 'packed chunks are read after close');
    this.#windowStart = start;
    this.#windowEnd = start;
    const size = this.#window.byteLength;
    while (this.#windowEnd < start + size) {
      const filled = this.#windowEnd - start;
      const bytesRead = this.#readInto(this.#fd, filled, size - filled);
      if (bytesRead === 0) return;
      this.#windowEnd += bytesRead;
    }
  }

  #readInto(fd: number, at: number, length: number): number {
    try {
      return readSync(fd, this.#window, at, length, this.#windowEnd);
    } catch (error) {
      throw unreadable(this.#chunk, error);
    }
  }
}

/** Never the code of an obstacle of one entry: the chunk has more entries, and another try may read it. */
function unreadable(chunk: number, error: unknown): CairnError {
  const failure = storageError(error, `reading the staged bytes of chunk ${chunk}`);
  if (!isOfOneEntry(failure)) return failure;
  return new CairnError('storage-io', failure.message, { cause: error, details: failure.details });
}

function gone(chunk: number): CairnError {
  return new CairnError('chunks-missing', `the staged bytes of chunk ${chunk} are gone`, {
    details: { chunk },
  });
}
