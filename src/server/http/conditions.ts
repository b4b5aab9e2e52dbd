/** Conditional requests for a file, in the order of RFC 9110, section 13.2.2. */
import type { IncomingHttpHeaders } from 'node:http';
import { httpDate, secondsOfHttpDate } from './http-date.ts';

/** The validators of one version of a file. */
export interface FileVersion {
  /** A strong entity tag, with its quotes. */
  readonly etag: string;
  /** Seconds since 1970. */
  readonly modifiedSeconds: number;
}

/**
 * For so long after a change its date is a weak validator (RFC 9110, section 8.8.2.2): the file may change again in the
 * second that the date names, and the client may have got its answer within that second, too.
 */
const WEAK_DATE_SECONDS = 2;
const ANY_TAG = /(W\/)?"([^"]*)"/g;

/** The validator headers of a version. */
export function versionHeaders({ etag, modifiedSeconds }: FileVersion): Record<string, string> {
  return { 'ETag': etag, 'Last-Modified': httpDate(modifiedSeconds) };
}

/** Evaluates the conditions of a GET or HEAD: 412 or 304 to answer instead of the file, undefined to send the file. */
export function failedCondition(headers: IncomingHttpHeaders, version: FileVersion): 304 | 412 | undefined {
  const { etag, modifiedSeconds } = version;
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    if (!namesTag(ifMatch, etag, 'strong')) return 412;
  } else {
    const limit = secondsOfHttpDate(headers['if-unmodified-since']);
    if (limit !== undefined && modifiedSeconds > limit) return 412;
  }
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) return namesTag(ifNoneMatch, etag, 'weak') ? 304 : undefined;
  const since = secondsOfHttpDate(headers['if-modified-since']);
  return since !== undefined && modifiedSeconds <= since ? 304 : undefined;
}

/** Whether `If-Range` allows a range: it is missing, or names this version by a validator that is strong by now. */
export function allowsRange(headers: IncomingHttpHeaders, version: FileVersion, nowMs: number): boolean {
  const value = headers['if-range'];
  if (value === undefined) return true;
  const condition = String(value).trim();
  if (condition.endsWith('"')) return condition === version.etag;
  const ageSeconds = nowMs / 1000 - version.modifiedSeconds;
  const isStrong = Math.abs(ageSeconds) >= WEAK_DATE_SECONDS;
  return isStrong && secondsOfHttpDate(condition) === version.modifiedSeconds;
}

/** Whether a list of entity tags names this one; only the weak comparison ignores a `W/`. */
function namesTag(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true;
  for (const [, weak, opaque] of list.matchAll(ANY_TAG)) {
    if ((weak === undefined || comparison === 'weak') && `"${opaque}"` === etag) return true;
  }
  return false;
}
