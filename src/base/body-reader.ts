/** The body of a message as its pieces arrive, at the reader's pace, and not slower than the sender may be. */
import { CairnError } from './errors.ts';
import type { ReaderPace } from './unsent.ts';

/** The pace of bodies: `idleMs` without a byte, or an average rate below the least one, ends them. */
export interface Pace extends ReaderPace {
  readonly idleMs: number;
}

/** The least that must move while the other side lets this one wait for `overMs`. */
function leastBytes({ minRate, overMs }: Pace): number {
  return (minRate * overMs) / 1000;
}

/** Who takes a body. */
export interface BodyListener {
  /** Pieces come in order; each is valid until it was {@link BodySource.taken}. */
  data(piece: Uint8Array): void;
  end(): void;
  /** The connection broke before the body was whole. */
  cut(): void;
}

/** Where a body comes from. */
export interface BodySource {
  /** Bytes that wait in memory before the sender is held back. */
  readonly maxWaitingBytes: number;
  /** Begins. */
  listen(listener: BodyListener): void;
  /** The oldest piece is not looked at any more. */
  taken(): void;
  pause(): void;
  resume(): void;
  /** Nobody listens any more. */
  stop(): void;
}

interface Waiting {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Iterates over a body once; a piece is valid until the next one is asked for. */
export class BodyReader implements AsyncIterableIterator<Uint8Array> {
  readonly #source: BodySource;
  readonly #pace: Pace;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Whether the reader still has a piece. */
  #isLent = false;
  #state: 'coming' | 'ended' | 'released' = 'coming';
  #failure: CairnError | undefined;
  /** Where the connection was cut: told after what came before it has been read, since that is held. */
  #cut: CairnError | undefined;
  #waiting: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Since when the reader waits, how long it has waited since the pace was last looked at, and what came meanwhile. */
  #waitingSinceMs = 0;
  #waitedMs = 0;
  #cameBytes = 0;

  /** @param pace a body that is slower fails with `timeout` */
  constructor(source: BodySource, pace: Pace) {
    this.#source = source;
    this.#pace = pace;
    source.listen({ data: this.#onData, end: this.#onEnd, cut: this.#onCut });
  }

  /** Whether all of it has arrived, read or not. */
  get isWhole(): boolean {
    return this.#state === 'ended';
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws CairnError `network` when the connection was cut, `timeout`, or what {@link abort} was given */
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

  /** Called where a loop over the body ends early; what is left stays unread. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#giveBack();
    this.release();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Ends the body for its reader: nothing that came and was not read is given to it any more. */
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

  /** Only the time that the sender lets the reader wait counts. A body that is too slow is ended. */
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
    // While nobody waits for a piece it is this side that is slow.
    if (this.#waiting === undefined) return;
    const message = `no byte of the body came for ${this.#pace.idleMs} ms`;
    this.abort(new CairnError('timeout', message, { details: { limit: 'body-idle' } }));
  };
}
