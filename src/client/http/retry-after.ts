/** How long an answer asks to wait before the next try (RFC 9110, section 10.2.3). */
import { CairnError } from '../../base/errors.ts';

/** The error, with the wait that the `Retry-After` header beside it asks for. The retry policy bounds it. */
export function withRetryAfter(error: CairnError, header: string | undefined): CairnError {
  const retryAfterMs = retryAfter(header);
  if (retryAfterMs === undefined) return error;
  return new CairnError(error.code, error.message, { details: { ...error.details, retryAfterMs } });
}

/** Milliseconds: the header has seconds or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
