/** The requests outside of sessions that are being answered, each with its authorization: an answer may take hours. */
import type { CairnError } from '../../base/errors.ts';
import type { Exchange } from './exchange.ts';
import type { Authorization } from '../../session/authorization.ts';

/** The exchanges outside of sessions whose answers are not over. */
export class Answering {
  readonly #open = new Map<Exchange, Authorization>();
  #onNote: () => void = () => undefined;

  /** Calls `told` for each exchange that is noted from now on. */
  onNote(told: () => void): void {
    this.#onNote = told;
  }

  /** Keeps an exchange with the authorization that it is answered for, until its answer or its connection ends. */
  note(exchange: Exchange, authorization: Authorization): void {
    const { response } = exchange;
    if (response.destroyed || response.closed) return;
    this.#open.set(exchange, authorization);
    response.once('close', () => this.#open.delete(exchange));
    this.#onNote();
  }

  get size(): number {
    return this.#open.size;
  }

  /** Cuts off each answer for whose authorization `endedError` returns an error. */
  endWhere(endedError: (authorization: Authorization) => CairnError | undefined): void {
    for (const [exchange, authorization] of this.#open) {
      const error = endedError(authorization);
      if (error === undefined) continue;
      exchange.failure ??= error;
      // Not the response alone: its handler could still begin one that has not begun.
      exchange.request.socket.destroy();
    }
  }
}
