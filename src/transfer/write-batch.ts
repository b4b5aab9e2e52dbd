/** The pieces of one chunk on their way to its writer: small ones are written together. */
import type { ChunkWriter } from './chunk-store.ts';

/** From here on a piece is written as it is; smaller ones, as of TLS or a slow line, are copied together. */
const LARGE_BYTES = 32 * 1024;
/** Small pieces that are written together, in bytes. */
const BATCH_BYTES = 256 * 1024;
/** A slow line does not fill a batch in time: what waits in it would be lost with the process. */
const MAX_DELAY_MS = 50;

/** Writes pieces in order, and keeps none of them. End it by {@link flush}. */
export class WriteBatch {
  readonly #writer: ChunkWriter;
  readonly #onWritten: (bytes: number) => void;
  #batch: Buffer | undefined;
  #used = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The last write; rejected for ever once one has failed. */
  #writing: Promise<void> = Promise.resolve();

  /** @param onWritten told of bytes that the writer has taken */
  constructor(writer: ChunkWriter, onWritten: (bytes: number) => void) {
    this.#writer = writer;
    this.#onWritten = onWritten;
  }

  /** Takes a piece. Where a promise is returned, the piece must not change before that is fulfilled. */
  add(piece: Uint8Array): Promise<void> | undefined {
    const isLarge = piece.byteLength >= LARGE_BYTES;
    const before = isLarge || this.#used + piece.byteLength > BATCH_BYTES ? this.#flushBatch() : undefined;
    if (isLarge) return this.#write(piece);
    this.#batch ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#batch.set(piece, this.#used);
    this.#used += piece.byteLength;
    // What fails here is told by the next flush.
    this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), MAX_DELAY_MS);
    return before;
  }

  /** Writes what has been collected. Throws what a write has failed with, this one or an earlier one. */
  flush(): Promise<void> {
    return this.#flushBatch() ?? this.#writing;
  }

  #flushBatch(): Promise<void> | undefined {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const [batch, used] = [this.#batch, this.#used];
    if (batch === undefined || used === 0) return undefined;
    this.#batch = undefined;
    this.#used = 0;
    const written = this.#writeBatch(batch, used);
    written.catch(() => undefined); // told by #writing
    return written;
  }

  async #writeBatch(batch: Buffer, used: number): Promise<void> {
    await this.#write(batch.subarray(0, used));
    // Most often nothing came meanwhile, and the memory can be used again.
    this.#batch ??= batch;
  }

  #write(bytes: Uint8Array): Promise<void> {
    const before = this.#writing;
    this.#writing = this.#writeAfter(before, bytes);
    // The next piece, or the flush, is told of a failure.
    this.#writing.catch(() => undefined);
    return this.#writing;
  }

  async #writeAfter(before: Promise<void>, bytes: Uint8Array): Promise<void> {
    await before;
    await this.#writer.write([bytes]);
    this.#onWritten(bytes.byteLength);
  }
}
