/** The pieces of one chunk on their way to its writer: it writes small ones together. */
import type { ChunkWriter } from './chunk-store.ts';

/** A piece of this size is written by itself; smaller ones, as from TLS or a slow line, are copied into a batch. */
const LARGE_BYTES = 32 * 1024;
/** Size of a batch of small pieces, in bytes. */
const BATCH_BYTES = 256 * 1024;
/** A slow line does not fill a batch in time: the death of the process would lose the waiting bytes. */
const MAX_DELAY_MS = 50;

/** Writes pieces in order, and keeps none of them. End it with {@link flush}. */
export class WriteBatch {
  readonly #writer: ChunkWriter;
  readonly #onWritten: (bytes: number) => void;
  #batch: Buffer | undefined;
  #used = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The last write; stays rejected once one has failed. */
  #writing: Promise<void> = Promise.resolve();

  /** @param onWritten called with the number of bytes that the writer has taken */
  constructor(writer: ChunkWriter, onWritten: (bytes: number) => void) {
    this.#writer = writer;
    this.#onWritten = onWritten;
  }

  /** Takes a piece. The piece must not change until a returned promise is fulfilled. */
  add(piece: Uint8Array): Promise<void> | undefined {
    const isLarge = piece.byteLength >= LARGE_BYTES;
    const before = isLarge || this.#used + piece.byteLength > BATCH_BYTES ? this.#flushBatch() : undefined;
    if (isLarge) return this.#write(piece);
    this.#batch ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#batch.set(piece, this.#used);
    this.#used += piece.byteLength;
    // The next flush throws the error.
    this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), MAX_DELAY_MS);
    return before;
  }

  /** Writes the batch. Throws the error of this write, or of an earlier one. */
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
    written.catch(() => undefined); // #writing keeps the error
    return written;
  }

  async #writeBatch(batch: Buffer, used: number): Promise<void> {
    await this.#write(batch.subarray(0, used));
    // Most often no piece came meanwhile, and the memory can be used again.
    this.#batch ??= batch;
  }

  #write(bytes: Uint8Array): Promise<void> {
    const before = this.#writing;
    this.#writing = this.#writeAfter(before, bytes);
    // The next piece, or the flush, throws the error.
    this.#writing.catch(() => undefined);
    return this.#writing;
  }

  async #writeAfter(before: Promise<void>, bytes: Uint8Array): Promise<void> {
    await before;
    await this.#writer.write([bytes]);
    this.#onWritten(bytes.byteLength);
  }
}
