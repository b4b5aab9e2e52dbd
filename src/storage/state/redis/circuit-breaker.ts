/** Stops asking a service that does not answer: after some failures in a row it is left alone for a while, and then tried once. */

/** Decides whether a service is asked. */
export interface CircuitBreaker {
  /** Whether to ask now; true promises to tell the outcome. */
  mayAsk(): boolean;
  succeeded(): void;
  /** Answers whether the service is left alone from now on, and was not before. */
  failed(): boolean;
  /** Whether it is not left alone. */
  readonly isClosed: boolean;
}

/** How patient a breaker is. */
export interface BreakerOptions {
  /** Failures in a row after which the service is left alone. */
  readonly maxFailures: number;
  /** For how long, in milliseconds. */
  readonly restMs: number;
  /** Milliseconds since some moment; they only grow. */
  readonly now: () => number;
}

/** Makes a breaker that is closed. */
export function createCircuitBreaker({ maxFailures, restMs, now }: BreakerOptions): CircuitBreaker {
  let failures = 0;
  let restsUntilMs = -Infinity;
  let isTrying = false;
  const isOpen = (): boolean => failures >= maxFailures;
  return {
    get isClosed() {
      return !isOpen();
    },
    mayAsk: () => {
      if (!isOpen()) return true;
      // One question finds out whether it is back; all others would wait for nothing.
      if (isTrying || now() < restsUntilMs) return false;
      isTrying = true;
      return true;
    },
    succeeded: () => {
      failures = 0;
      isTrying = false;
    },
    failed: () => {
      const wasOpen = isOpen();
      failures = Math.min(failures + 1, maxFailures);
      isTrying = false;
      if (!isOpen()) return false;
      restsUntilMs = now() + restMs;
      return !wasOpen;
    },
  };
}
