/** The only retry policy: around one operation, one chunk or one control request. */
import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import { CairnError, EXIT, type ErrorCode } from '../../base/errors.ts';
import type { Report } from '../api/events.ts';

const BASE_DELAY_MS = 250;
const MAX_DELAY_MS = 15_000;
/** A digest that is wrong so often is no accident of the line. */
const MAX_DIGEST_MISMATCHES = 5;
/** What says that a message was wrong may only mean that it was spoiled on its way. So often it is no accident. */
const MAX_MISUNDERSTANDINGS = 3;
const MISUNDERSTANDINGS = new Set<ErrorCode>(['invalid-request', 'method-not-allowed']);
const MIN_WAITING_INTERVAL_MS = 1000;
/** A server that is started anew is back within this time; more is not given to a state that is hardly ever over. */
const SOON_MS = 5000;

/** What a {@link Retrier} is made of. */
export interface RetryOptions {
  /** Gives up when nothing made progress for so long. */
  readonly retryForMs: number;
  readonly signal: AbortSignal;
  readonly report: Report;
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
  /** Makes room for the next try where something is in its way; true where that was done: the first try after it does not wait. */
  readonly makeRoom?: ((error: CairnError) => boolean) | undefined;
  /** Failures that are given up after {@link SOON_MS}, however long others are waited for. */
  readonly isGivenUpSoon?: ((error: CairnError) => boolean) | undefined;
}

/** How one operation is tried. */
export interface RunOptions {
  /** Comes before the next try of one that failed with `retry: 'resume'`. */
  readonly recover?: (error: CairnError) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Failures after which it is tried again here, although that is of no use elsewhere. */
  readonly alsoAgain?: (error: CairnError) => boolean;
  /** Failures after which it is not, although that may be of use elsewhere. */
  readonly isFinal?: (error: CairnError) => boolean;
}

/** Tries operations again while that makes sense; all of a transfer's operations share one. */
export interface Retrier {
  /**
   * Runs `operation` until it succeeds.
   *
   * @throws CairnError the operation's last one; the signal's reason as soon as it is aborted
   */
  run<T>(operation: (attempt: number) => Promise<T>, options?: RunOptions): Promise<T>;
  /** Something arrived that had not arrived before: the time until giving up starts anew. */
  progressed(): void;
  /** How many tries failed and were followed by another. */
  readonly retries: number;
}

/** Makes the retrier of one transfer. */
export function createRetrier(options: RetryOptions): Retrier {
  const { now = () => performance.now(), makeRoom } = options;
  const pause = createPause(options, now);
  let retries = 0;
  /** When trouble began that no progress has ended; undefined while all is well. An idle transfer is not in trouble. */
  let troubleSinceMs: number | undefined;
  let progress = 0;

  return {
    progressed: () => {
      troubleSinceMs = undefined;
      progress += 1;
    },
    get retries() {
      return retries;
    },
    run: (operation, how = {}) => {
      const { recover, signal = options.signal, alsoAgain = () => false, isFinal = () => false } = how;
      let failures = 0;
      let mismatches = 0;
      let misunderstandings = 0;
      let progressBefore = progress;
      const afterFailure = async ({ error }: { error: Error }): Promise<void> => {
        signal.throwIfAborted();
        if (!(error instanceof CairnError) || isFinal(error)) throw error;
        const isSpoiled = MISUNDERSTANDINGS.has(error.code) && ++misunderstandings < MAX_MISUNDERSTANDINGS;
        if (error.traits.retry === 'never' && !isSpoiled && !alsoAgain(error)) throw error;
        if (error.code === 'chunk-digest-mismatch' && ++mismatches >= MAX_DIGEST_MISMATCHES) throw error;
        failures = progress === progressBefore ? failures + 1 : 1;
        progressBefore = progress;
        troubleSinceMs ??= now();
        retries += 1;
        // A session to resume is no reason to wait: the server is there and has answered.
        const isThere = error.traits.retry === 'resume' && recover !== undefined && failures === 1;
        // Room that was of no use is no reason not to wait: a server may refuse whatever there is.
        const hasRoom = !isThere && makeRoom?.(error) === true && failures === 1;
        if (!isThere && !hasRoom) await pause(error, { failures, sinceMs: troubleSinceMs, signal });
        if (error.traits.retry === 'resume') await recover?.(error);
      };
      return pRetry((attempt) => operation(attempt - 1), {
        retries: Infinity,
        minTimeout: 0,
        signal,
        onFailedAttempt: afterFailure,
      });
    },
  };
}

/** For how long, and how often, it has not worked. */
interface Trouble {
  /** In a row. */
  readonly failures: number;
  readonly sinceMs: number;
  readonly signal: AbortSignal;
}

/** What waits before the next try, or throws where there is to be none. */
function createPause(
  options: RetryOptions,
  now: () => number,
): (error: CairnError, trouble: Trouble) => Promise<void> {
  const { report, random = Math.random, isGivenUpSoon } = options;
  let lastWaitingMs = -Infinity;
  return async (error, { failures, sinceMs, signal }) => {
    const patienceMs = isGivenUpSoon?.(error) === true ? SOON_MS : Infinity;
    const retryForMs = Math.min(options.retryForMs, patienceMs);
    const leftMs = retryForMs - (now() - sinceMs);
    if (leftMs <= 0) throw givenUp(error, retryForMs);
    const delayMs = Math.min(leftMs, Math.max(random() * backoffMs(failures), retryAfterMs(error)));
    if (now() - lastWaitingMs >= MIN_WAITING_INTERVAL_MS) {
      lastWaitingMs = now();
      const { code, message } = error;
      const [delay, left] = [Math.round(delayMs), Math.round(leftMs)];
      report({ type: 'waiting', code, message, delayMs: delay, leftMs: left });
    }
    try {
      await sleep(delayMs, undefined, { signal });
    } catch (failure) {
      signal.throwIfAborted();
      throw failure;
    }
  };
}

/** Upper end of the full jitter, in milliseconds, doubled with every failure in a row. */
function backoffMs(failures: number): number {
  return Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** Math.min(failures - 1, 16));
}

function retryAfterMs(error: CairnError): number {
  const wanted = error.details['retryAfterMs'];
  return typeof wanted === 'number' && wanted > 0 ? wanted : 0;
}

function givenUp(error: CairnError, retryForMs: number): CairnError {
  const after = `given up after ${Math.round(retryForMs / 1000)} s without progress`;
  const { exitCode } = error.traits;
  const code = exitCode === EXIT.network || exitCode === EXIT.denied ? error.code : 'network';
  return new CairnError(code, `${error.message} (${after})`, { cause: error, details: error.details });
}
