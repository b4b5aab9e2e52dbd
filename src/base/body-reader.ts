/** The body of a message as its pieces arrive, at the reader's pace, with a least pace for the sender. */
import { CairnError } from './errors.ts';
import type { ReaderPace } from './unsent.ts';

/** Timeout and least rate of bodies: `idleMs` without a byte, or an average rate below `minRate`, ends a body. */
export interface Pace extends ReaderPace {
  readonly idleMs: number;
}

/** The bytes that have to arrive while the reader waits for `overMs`. */
function leastBytes({ minRate, overMs }: Pace): number {
  return (minRate * overMs) / 1000;
}

/** The consumer of a body. */
export interface BodyListener {
  /** Pieces come in order; each is valid until the listener calls {@link BodySource.taken}. */
  data(piece: Uint8Array): void;
  end(): void;
  /** The connection broke before the body was whole. */
  cut(): void;
}

/** The producer of a body. */
export interface BodySource {
  /** The number of waiting bytes in memory at which the source stops the sender. */
  readonly maxWaitingBytes: number;
  /** Starts to deliver the body. */
  listen(listener: BodyListener): void;
  /** The listener has finished with the oldest piece. */
  taken(): void;
  pause(): void;
  resume(): void;
  /** The listener wants no more calls. */
  stop(): void;
}

interface Waiting {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Iterates over a body once; a piece is valid until the reader asks for the next one. */
export class BodyReader implements AsyncIterableIterator<Uint8Array> {
  readonly #source: BodySource;
  readonly #pace: Pace;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Whether the reader still has a piece. */
  #isLent = false;
  #state: 'coming' | 'ended' | 'released' = 'coming';
  #failure: CairnError | undefined;
  /**
   * Set where the connection was cut; the reader first gets the bytes that came before, since a receiver keeps them.
   */
  #cut: CairnError | undefined;
  #waiting: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Start of the reader's wait; since the last check of the pace: how long it waited, and the bytes that came. */
  #waitingSinceMs = 0;
  #waitedMs = 0;
  #cameBytes = 0;

  /** @param pace a body that is slower fails with `timeout` */
  constructor(source: BodySource, pace: Pace) {
    this.#source = source;
    this.#pace = pace;
    source.listen({ data: this.#onData, end: this.#onEnd, cut: this.#onCut });
  }

  /** Whether the whole body has arrived, read or not. */
  get isWhole(): boolean {
    return this.#state === 'ended';
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws CairnError `network` when the connection was cut, `timeout`, or the error given to {@link abort} */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#giveBack();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const piece = this.#queue.shift();
    if (piece !== undefined) {
      this.#isLent = true;
      this.#queuedBytes -= piece.byteLength;
      if (this.#queue.length === 0) this.#source.resume();
      return Promise.resolve({ done: false, value: piece });
    }
    if (this.#cut !== undefined) return Promise.reject(this.#cut);
    if (this.#state !== 'coming') return Promise.resolve({ done: true, value: undefined });
    if (this.#timer === undefined) this.#timer = setTimeout(this.#onIdle, this.#pace.idleMs);
    else this.#timer.refresh();
    this.#waitingSinceMs = performance.now();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** A loop over the body calls it when it ends early; the rest stays unread. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#giveBack();
    this.release();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Ends the body with an error; the reader gets no more of the bytes that it has not read. */
  abort(error: CairnError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#queue = [];
    this.#settle((waiting) => waiting.reject(error));
    this.release();
  }

  /** Stops listening; the rest belongs to the owner of the source. */
  release(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#state !== 'coming') return;
    this.#state = 'released';
    this.#source.stop();
  }

  #giveBack(): void {
    if (this.#isLent) this.#source.taken();
    this.#isLent = false;
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) how(waiting);
  }

  readonly #onData = (piece: Uint8Array): void => {
    this.#cameBytes += piece.byteLength;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      if (!this.#isFastEnough()) return;
      this.#waiting = undefined;
      this.#isLent = true;
      waiting.resolve({ done: false, value: piece });
      return;
    }
    this.#queue.push(piece);
    this.#queuedBytes += piece.byteLength;
    if (this.#queuedBytes >= this.#source.maxWaitingBytes) this.#source.pause();
  };

  /** Counts only the time for which the reader waits for the sender. Ends a body that is too slow. */
  #isFastEnough(): boolean {
    this.#waitedMs += performance.now() - this.#waitingSinceMs;
    if (this.#waitedMs < this.#pace.overMs) return true;
    const isFastEnough = this.#cameBytes >= leastBytes(this.#pace);
    this.#waitedMs = 0;
    this.#cameBytes = 0;
    if (isFastEnough) return true;
    const { minRate, overMs } = this.#pace;
    const message = `the body came slower than ${minRate} bytes a second for ${overMs} ms`;
    this.abort(new CairnError('timeout', message, { details: { limit: 'body-rate' } }));
    return false;
  }

  readonly #onEnd = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#state !== 'coming') return;
    this.#state = 'ended';
    this.#source.stop();
    this.#settle((waiting) => waiting.resolve({ done: true, value: undefined }));
  };

  readonly #onCut = (): void => {
    if (this.#state !== 'coming' || this.#cut !== undefined) return;
    const cut = new CairnError('network', 'the connection was cut before the body was whole');
    this.#cut = cut;
    this.release();
    this.#settle((waiting) => waiting.reject(cut));
  };

  readonly #onIdle = (): void => {
    // While the reader does not wait, this side is the slow one.
    if (this.#waiting === undefined) return;
    const message = `no byte of the body came for ${this.#pace.idleMs} ms`;
    this.abort(new CairnError('timeout', message, { details: { limit: 'body-idle' } }));
  };
}
