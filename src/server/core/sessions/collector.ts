/** Runs the collector: from time to time, and when asked. */
import type { Logger } from '../../../base/logger.ts';

/** Runs from time to time until it is stopped; {@link collect} runs it once. */
export interface Collector {
  collect(): Promise<void>;
  stop(): Promise<void>;
}

/** The work of a collector, and how often it runs. */
export interface CollectorOptions {
  /** One run, which ends early once `isStopped` answers true. */
  readonly run: (isStopped: () => boolean) => Promise<void>;
  /** Called last. */
  readonly onStop: () => Promise<void>;
  readonly everyMs: number;
  readonly log: Logger;
}

/** Starts the collector of a server. Its timer does not keep the process alive. */
export function startCollector({ run, onStop, everyMs, log }: CollectorOptions): Collector {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  const runSafely = async (): Promise<void> => {
    if (stopped) return;
    try {
      await run(() => stopped);
    } catch (error) {
      log.error({ err: error }, 'the collector failed to free old sessions; it tries again at its next run');
    }
  };
  // At most one run waits for the current one: with a slow store they would queue up.
  const collect = (): Promise<void> => {
    waiting ??= running.then(() => {
      waiting = undefined;
      running = runSafely();
      return running;
    });
    return waiting;
  };
  const timer = setInterval(() => void collect(), everyMs).unref();
  return {
    collect,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await (waiting ?? running);
      await onStop();
    },
  };
}
