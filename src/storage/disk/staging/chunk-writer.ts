import { CairnError } from '../../../base/errors.ts';
import type { ChunkWriter } from '../../../transfer/chunk-store.ts';
import type { StagedFile } from './staged-files.ts';

/** The place for the bytes of a chunk. */
export interface ChunkPlace {
  readonly fileName: string;
  /** Offset of the chunk in its file, in bytes. */
  readonly fileOffset: number;
  /** Bytes of the chunk; for a stream that has not ended, its upper bound. */
  readonly lengthBytes: number;
  readonly mayBeShorter: boolean;
}

/** Callbacks of a writer that ends. */
export interface WriterEnds {
  /** Bytes of the chunk that are staged now. */
  progress(bytes: number): void;
  finish(bytes: number, digest: Uint8Array): Promise<void>;
  drop(): Promise<void>;
  /** Always the last call, also for a writer that was cut off: no write runs any more. */
  left(): Promise<void>;
}

/** The target of a writer. */
export interface WriterBeginning {
  readonly file: StagedFile;
  readonly place: ChunkPlace;
  /** Offset of the first byte in the chunk. */
  readonly offset: number;
  readonly ends: WriterEnds;
}

/** One writer of one chunk. A newer writer can cut it off at any time; its older calls may then still run. */
export class LocalChunkWriter implements ChunkWriter {
  readonly #chunk: number;
  #to: WriterBeginning | undefined;
  #at = 0;
  #state: 'open' | 'cut' | 'ended' = 'open';
  #inFlight: Promise<void>;
  #leaving: Promise<void> | undefined;

  /** `before` settles when no write of an older writer of the chunk runs any more; it must not reject. */
  constructor(chunk: number, before: Promise<void>) {
    this.#chunk = chunk;
    this.#inFlight = before;
  }

  /** Whether a newer writer has taken over. */
  get isCut(): boolean {
    return this.#state === 'cut';
  }

  /** Sets the target; until then the writer has nothing to clean up. */
  begin(to: WriterBeginning): void {
    this.#to = to;
    this.#at = to.offset;
  }

  /** Makes every later call throw `chunk-conflict`. Resolves when no write runs any more. */
  async cutOff(): Promise<void> {
    if (this.#state === 'open') this.#state = 'cut';
    await this.#inFlight;
    await this.#leave();
  }

  async write(pieces: Uint8Array[]): Promise<void> {
    const to = this.#check();
    const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    if (this.#at + bytes > to.place.lengthBytes) {
      throw new CairnError(
        'internal',
        `chunk ${this.#chunk} got more than its ${to.place.lengthBytes} bytes`,
      );
    }
    const writing = this.#write(to, pieces, bytes);
    this.#inFlight = writing.catch(() => undefined); // the caller gets the error
    await writing;
    // Late bytes do no harm, but their sender has to know.
    this.#check();
  }

  async finish(digest: Uint8Array): Promise<void> {
    const { file, place, ends } = this.#check();
    if (file.failure !== undefined) throw file.failure;
    const { lengthBytes, mayBeShorter } = place;
    if (this.#at === 0 || (this.#at < lengthBytes && !mayBeShorter)) {
      throw new CairnError(
        'chunk-incomplete',
        `chunk ${this.#chunk} has ${this.#at} of ${lengthBytes} bytes`,
      );
    }
    await this.#end(() => ends.finish(this.#at, digest));
  }

  async hold(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#check();
    await this.#end(async () => {});
  }

  async drop(): Promise<void> {
    if (this.#state === 'ended') return;
    const { ends } = this.#check();
    await this.#end(() => ends.drop());
  }

  async #write(to: WriterBeginning, pieces: Uint8Array[], bytes: number): Promise<void> {
    await to.file.write(pieces, to.place.fileOffset + this.#at);
    this.#at += bytes;
    to.ends.progress(this.#at);
  }

  async #end(action: () => Promise<void>): Promise<void> {
    this.#state = 'ended';
    const ending = action();
    this.#inFlight = ending.catch(() => undefined); // the caller gets the error
    try {
      await ending;
    } finally {
      await this.#leave();
    }
  }

  #leave(): Promise<void> {
    this.#leaving ??= this.#to?.ends.left();
    return this.#leaving ?? Promise.resolve();
  }

  #check(): WriterBeginning {
    if (this.#state === 'cut') {
      throw new CairnError('chunk-conflict', `another writer of chunk ${this.#chunk} has taken over`, {
        details: { chunk: this.#chunk },
      });
    }
    if (this.#state === 'ended' || this.#to === undefined) {
      throw new CairnError('internal', `the writer of chunk ${this.#chunk} is used after its end`);
    }
    return this.#to;
  }
}
