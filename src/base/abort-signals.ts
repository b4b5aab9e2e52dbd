/** Signals that follow other signals, and waits that a signal ends. */
import { setMaxListeners } from 'node:events';

/** A controller that `outer` aborts too, with the same reason, until the caller lets go of it. */
export function linkedController(outer: AbortSignal): {
  readonly controller: AbortController;
  letGo(): void;
} {
  const controller = new AbortController();
  // Every request that runs listens to the signal.
  setMaxListeners(0, controller.signal);
  const onAbort = (): void => controller.abort(outer.reason);
  if (outer.aborted) onAbort();
  else outer.addEventListener('abort', onAbort, { once: true });
  return { controller, letGo: () => outer.removeEventListener('abort', onAbort) };
}

/** Waits for `work`, which goes on in any case, until the signal is aborted. @throws the signal's reason */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    // The race also listens to work that fails after the signal.
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
