/**
 * The body of a request as its pieces arrive. `data` events instead of the stream's own iterator: that one joins what
 * waits into new buffers, and its early end destroys the connection that the answer has to go through.
 */
import type { IncomingMessage } from 'node:http';
import { CairnError } from '../../base/errors.ts';
import { leastBytes, type Pace } from './pace.ts';

/** Bytes that wait in memory before the sender is held back. */
const HIGH_WATER_BYTES = 512 * 1024;

interface Waiting {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Iterates over a request's body once; its pieces are never changed afterwards. */
export class RequestBody implements AsyncIterableIterator<Uint8Array> {
  readonly #request: IncomingMessage;
  readonly #pace: Pace;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #ended = false;
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
  constructor(request: IncomingMessage, pace: Pace) {
    this.#request = request;
    this.#pace = pace;
    request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
    if (request.destroyed) this.#onClose();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws CairnError `network` when the connection was cut, `timeout`, or what {@link abort} was given */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const piece = this.#queue.shift();
    if (piece !== undefined) {
      this.#queuedBytes -= piece.byteLength;
      if (this.#queue.length === 0) this.#request.resume();
      return Promise.resolve({ done: false, value: piece });
    }
    if (this.#cut !== undefined) return Promise.reject(this.#cut);
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    if (this.#timer === undefined) this.#timer = setTimeout(this.#onIdle, this.#pace.idleMs);
    else this.#timer.refresh();
    this.#waitingSinceMs = performance.now();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Called where a loop over the body ends early; what is left stays unread. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
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

  /** Stops listening; the request belongs to its handler again. */
  release(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#request.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
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
      waiting.resolve({ done: false, value: piece });
      return;
    }
    this.#queue.push(piece);
    this.#queuedBytes += piece.byteLength;
    if (this.#queuedBytes >= HIGH_WATER_BYTES) this.#request.pause();
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
    // A body without a length that is cut also ends; only `complete` tells the difference.
    if (!this.#request.complete) {
      this.#onClose();
      return;
    }
    this.#ended = true;
    this.release();
    this.#settle((waiting) => waiting.resolve({ done: true, value: undefined }));
  };

  readonly #onClose = (): void => {
    if (this.#ended || this.#cut !== undefined) return;
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
