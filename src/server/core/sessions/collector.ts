/** When it is collected what nobody needs: by itself now and then, and when somebody asks. */
import type { Logger } from '../../../base/logger.ts';

/** Runs by itself until it is stopped; {@link collect} runs it once. */
export interface Collector {
  collect(): Promise<void>;
  stop(): Promise<void>;
}

/** What a collector does, and how often. */
export interface CollectorOptions {
  /** One run, which ends early once `isStopped` says so. */
  readonly run: (isStopped: () => boolean) => Promise<void>;
  /** What is done last of all. */
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
      log.error({ err: error }, 'collecting old sessions failed; it is tried again');
    }
  };
  // At most one waits for the one that runs: a slow store must not make them queue up.
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
