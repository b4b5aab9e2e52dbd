/** The pieces of one chunk on their way to its writer: small ones are written together. */
import type { ChunkWriter } from './content-store.ts';

/** Bytes that are written together. */
const BATCH_BYTES = 1024 * 1024;
/** A slow line does not fill a batch in time: what waits in it would be lost with the process. */
const MAX_DELAY_MS = 50;

/** Collects pieces and writes them in order. End it by {@link flush}. */
export class WriteBatch {
  readonly #writer: ChunkWriter;
  readonly #onWritten: (bytes: number) => void;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The last write; rejected for ever once one has failed. */
  #writing: Promise<void> = Promise.resolve();

  /** @param onWritten told of bytes that the writer has taken */
  constructor(writer: ChunkWriter, onWritten: (bytes: number) => void) {
    this.#writer = writer;
    this.#onWritten = onWritten;
  }

  /** Takes a piece, which must not change any more. True: {@link flush} before the next one. */
  add(piece: Uint8Array): boolean {
    this.#pieces.push(piece);
    this.#bytes += piece.byteLength;
    if (this.#bytes >= BATCH_BYTES) return true;
    // What fails here is told by the next flush.
    this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), MAX_DELAY_MS);
    return false;
  }

  /** Writes what has been collected. Throws what a write has failed with, this one or an earlier one. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (this.#bytes === 0) return;
    const [pieces, bytes] = [this.#pieces, this.#bytes];
    this.#pieces = [];
    this.#bytes = 0;
    await this.#writer.write(pieces);
    this.#onWritten(bytes);
  }
}
