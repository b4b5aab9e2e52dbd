/** Requests that belong to no session, while they are answered, and in whose name: an answer may take hours. */
import type { CairnError } from '../../base/errors.ts';
import type { Exchange } from './exchange.ts';
import type { Authorization } from '../../session/authorization.ts';

/** What is being answered outside of sessions. */
export class Answering {
  readonly #open = new Map<Exchange, Authorization>();
  #onNote: () => void = () => undefined;

  /** `told` is called from now on whenever an exchange is noted. */
  onNote(told: () => void): void {
    this.#onNote = told;
  }

  /** Notes an exchange that is answered in the name of an authorization, until its answer or its connection ends. */
  note(exchange: Exchange, authorization: Authorization): void {
    const { response } = exchange;
    if (response.destroyed || response.closed) return;
    this.#open.set(exchange, authorization);
    response.once('close', () => this.#open.delete(exchange));
    this.#onNote();
  }

  /** How many there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Cuts off the answers for whose authorization `whyOver` has an answer. */
  endWhere(whyOver: (authorization: Authorization) => CairnError | undefined): void {
    for (const [exchange, authorization] of this.#open) {
      const error = whyOver(authorization);
      if (error === undefined) continue;
      exchange.failure ??= error;
      // Not the response alone: one that has not begun could still be begun by whoever makes it.
      exchange.request.socket.destroy();
    }
  }
}
