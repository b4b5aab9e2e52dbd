/** Which counters a refused request belongs to. */
import type { CairnError, ErrorCode } from '../../base/errors.ts';
import { limitIn } from './refusals.ts';

/** Told of requests that have ended, and of why some were refused. None of it throws. */
export interface RequestMetrics {
  /** A request was answered, or could not be: then the status is 499. `route` is one of few: no id is in it. */
  requestEnded(route: string, status: number): void;
  /** Somebody showed a token, credential or certificate that is not good; `reason` is an error's code. */
  authenticationFailed(reason: string): void;
  /** Something was refused because of a limit, which is named. */
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
 * Counts a refused request, where it was refused for who asked or for a limit. `details.limit` names the latter; those
 * that are settings are counted where they are noted, with those that refuse what never becomes a request.
 */
export function countFailure(metrics: RequestMetrics, error: CairnError): void {
  const { code, details } = error;
  if (AUTHENTICATION.has(code)) metrics.authenticationFailed(code);
  if (!LIMITS.has(code) || limitIn(error) !== undefined) return;
  const { limit } = details;
  metrics.refusedByLimit(typeof limit === 'string' && NAME.test(limit) ? limit : code);
}
