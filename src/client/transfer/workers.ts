/** Some workers on one list of jobs. */
import { linkedController } from './transfer-context.ts';

/**
 * Runs `count` workers that take jobs until `next` has none; a worker that found none is done. The first failure aborts
 * the signal that the others work with; all have stopped when this throws it.
 */
export async function runWorkers<Job>(
  count: number,
  outer: AbortSignal,
  next: () => Job | undefined,
  work: (job: Job, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  outer.throwIfAborted();
  const { controller: stop, letGo } = linkedController(outer);
  const worker = async (): Promise<void> => {
    for (let job = next(); job !== undefined; job = next()) {
      stop.signal.throwIfAborted();
      await work(job, stop.signal);
    }
  };
  try {
    const results = await Promise.allSettled(
      Array.from({ length: count }, () =>
        worker().catch((error: unknown) => {
          // The first reason stays; whoever fails by it later throws the same.
          stop.abort(error);
          throw error;
        }),
      ),
    );
    if (results.some((result) => result.status === 'rejected')) throw stop.signal.reason;
  } finally {
    letGo();
  }
}

/** Waits for `work`, which goes on in any case, or until the signal is aborted. @throws the signal's reason */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
