/**
 * How slow an answer may be. The watch over the socket ends a connection on which nothing moves; a server that sends a
 * byte now and then would keep a client busy for ever.
 */
import type { AnswerPace } from '../api/reach.ts';
import { CairnError } from '../../base/errors.ts';

/** Slower is no link that a transfer could end on. */
export const DEFAULT_ANSWER_PACE: AnswerPace = { headersMs: 60_000, minRate: 64, overMs: 60_000 };

/** A request whose answer is waited for. */
export interface AnswerWatch {
  /** Aborted with the caller's reason, or with a `timeout` where the headers are late. */
  readonly signal: AbortSignal;
  /** The request has been sent whole: from now on the headers are due. */
  sent(): void;
  /** The headers are there. */
  begun(): void;
  /** The answer is over, one way or the other. */
  done(): void;
}

/** Watches over the time until an answer begins. Call `done` whatever happens. */
export function watchAnswer(
  origin: string,
  { headersMs }: AnswerPace,
  signal: AbortSignal | undefined,
): AnswerWatch {
  // Not AbortSignal.any: a signal that lives as long as the transfer would keep every one that was made of it.
  const controller = new AbortController();
  const follow = (): void => controller.abort(signal?.reason);
  signal?.addEventListener('abort', follow, { once: true });
  let timer: NodeJS.Timeout | undefined;
  return {
    signal: controller.signal,
    sent: () => {
      timer ??= setTimeout(() => {
        const message = `${origin} has not answered within ${headersMs / 1000} seconds`;
        controller.abort(new CairnError('timeout', message));
      }, headersMs).unref();
    },
    begun: () => clearTimeout(timer),
    done: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', follow);
    },
  };
}
