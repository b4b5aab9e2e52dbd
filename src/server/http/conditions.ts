/** Conditional requests for a file, in the order of RFC 9110, section 13.2.2. */
import type { IncomingHttpHeaders } from 'node:http';
import { httpDate, secondsOfHttpDate } from './http-date.ts';

/** What tells one version of a file from the next. */
export interface FileVersion {
  /** A strong entity tag, with its quotes. */
  readonly etag: string;
  /** Seconds since 1970. */
  readonly modifiedSeconds: number;
}

/**
 * So long after a change a date is no proof that nothing else changed (RFC 9110, section 8.8.2.2): another one may come in
 * the second that it names, and the answer of which a client has it may have been sent in that second, too.
 */
const WEAK_DATE_SECONDS = 2;
const ANY_TAG = /(W\/)?"([^"]*)"/g;

/** The headers by which a client knows this version again. */
export function versionHeaders({ etag, modifiedSeconds }: FileVersion): Record<string, string> {
  return { 'ETag': etag, 'Last-Modified': httpDate(modifiedSeconds) };
}

/** What the conditions of a GET or HEAD come to: 412 or 304 in place of the file, or undefined for the file. */
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

/** Whether `If-Range` lets a range be served: it is missing, or names exactly this version by what is strong now. */
export function allowsRange(headers: IncomingHttpHeaders, version: FileVersion, nowMs: number): boolean {
  const value = headers['if-range'];
  if (value === undefined) return true;
  const condition = String(value).trim();
  if (condition.endsWith('"')) return condition === version.etag;
  const ageSeconds = nowMs / 1000 - version.modifiedSeconds;
  const isStrong = Math.abs(ageSeconds) >= WEAK_DATE_SECONDS;
  return isStrong && secondsOfHttpDate(condition) === version.modifiedSeconds;
}

/** Whether a list of entity tags names this one; only the weak comparison passes over a `W/`. */
function namesTag(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true;
  for (const [, weak, opaque] of list.matchAll(ANY_TAG)) {
    if ((weak === undefined || comparison === 'weak') && `"${opaque}"` === etag) return true;
  }
  return false;
}
