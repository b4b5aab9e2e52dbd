/** Some workers on one list of jobs. */
import { linkedController } from './abort-signals.ts';

/** How many workers there are, where that changes while they run. */
export interface WorkerCount {
  readonly width: number;
  onWiden(widened: () => void): () => void;
}

/** A number of workers that stays. */
export function fixedCount(width: number): WorkerCount {
  return { width, onWiden: () => () => undefined };
}

/**
 * Runs workers that take jobs until `next` has none; a worker that found none is done, and so is one that is more than
 * there may be by now. The first failure aborts the signal that the others work with; all have stopped when this throws it.
 */
export async function runWorkers<Job>(
  count: WorkerCount,
  outer: AbortSignal,
  next: () => Job | undefined,
  work: (job: Job, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  outer.throwIfAborted();
  const { controller: stop, letGo } = linkedController(outer);
  let working = 0;
  let hasFailed = false;
  let allDone = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    allDone = resolve;
  });
  const worker = async (): Promise<void> => {
    try {
      for (let job = next(); job !== undefined; job = working > count.width ? undefined : next()) {
        stop.signal.throwIfAborted();
        await work(job, stop.signal);
      }
    } catch (error) {
      // The first reason stays; workers that fail by it later fail the same.
      hasFailed = true;
      stop.abort(error);
    }
    working -= 1;
    if (working === 0) allDone();
  };
  const fill = (): void => {
    const missing = Math.max(0, count.width - working);
    // All are counted before the first one finds that there is nothing to do.
    working += missing;
    for (let started = 0; started < missing; started += 1) void worker();
  };
  const stopWidening = count.onWiden(() => {
    if (working > 0 && !stop.signal.aborted) fill();
  });
  try {
    fill();
    await done;
    if (hasFailed) throw stop.signal.reason;
  } finally {
    stopWidening();
    letGo();
  }
}
