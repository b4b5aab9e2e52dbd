/** Counts refused requests by their causes. */
import type { CairnError, ErrorCode } from '../../base/errors.ts';
import { limitIn } from './refusals.ts';

/** The counters of requests. Its functions never throw. */
export interface RequestMetrics {
  /** A request has its answer, or its client was gone before: status 499. `route` is one of few, without ids. */
  requestEnded(route: string, status: number): void;
  /** A client showed an invalid token, credential or certificate; `reason` is an error's code. */
  authenticationFailed(reason: string): void;
  /** The named limit refused something. */
  refusedByLimit(limit: string): void;
}

const AUTHENTICATION: ReadonlySet<ErrorCode> = new Set([
  'unauthenticated',
  'token-expired',
  'token-revoked',
  'certificate-untrusted',
  'session-credential',
]);
const LIMITS: ReadonlySet<ErrorCode> = new Set([
  'rate-limited',
  'server-busy',
  'quota-exceeded',
  'manifest-too-large',
  'timeout',
]);
const NAME = /^[a-z][a-z0-9-]{0,63}$/;

/**
 * Counts a request that failed to authenticate or that a limit refused. `details.limit` names the limit; `Refusals`
 * counts the limits that are settings, since these also refuse what never becomes a request.
 */
export function countFailure(metrics: RequestMetrics, error: CairnError): void {
  const { code, details } = error;
  if (AUTHENTICATION.has(code)) metrics.authenticationFailed(code);
  if (!LIMITS.has(code) || limitIn(error) !== undefined) return;
  const { limit } = details;
  metrics.refusedByLimit(typeof limit === 'string' && NAME.test(limit) ? limit : code);
}
