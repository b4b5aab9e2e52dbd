/** Parallel workers on one list of jobs. */
import { linkedController } from './abort-signals.ts';

/** The number of workers, which may change while they run. */
export interface WorkerCount {
  readonly width: number;
  onWiden(widened: () => void): () => void;
}

/** A number of workers that never changes. */
export function fixedCount(width: number): WorkerCount {
  return { width, onWiden: () => () => undefined };
}

/**
 * Runs workers that take jobs until `next` has none; a worker ends when it finds no job, or when it exceeds the
 * number of workers. The first failure aborts the signal of the other workers; this throws it when all have stopped.
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
      // The first reason stays; workers that it stops fail with the same.
      hasFailed = true;
      stop.abort(error);
    }
    working -= 1;
    if (working === 0) allDone();
  };
  const fill = (): void => {
    const missing = Math.max(0, count.width - working);
    // Count all of them before the first one finds no job.
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
