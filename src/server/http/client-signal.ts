/** Tells work outside of HTTP that its client is gone. */
import type { Exchange } from './exchange.ts';

/** A signal that aborts when the answer is over: the client is gone, or has got all of it. */
export function clientSignal({ response }: Pick<Exchange, 'response'>): AbortSignal {
  const controller = new AbortController();
  if (response.destroyed || response.closed) controller.abort();
  else response.once('close', () => controller.abort());
  return controller.signal;
}
