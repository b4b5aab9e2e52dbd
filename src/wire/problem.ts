/** Errors on the wire: RFC 9457 problem documents whose `code` is one of the error table. */
import {
  CairnError,
  ERROR_TABLE,
  EXIT,
  isErrorCode,
  type ErrorCode,
  type ErrorDetails,
} from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';

/** Media type of a problem document. */
export const PROBLEM_TYPE = 'application/problem+json';

/** A problem document: RFC 9457 members, the error's code, and its details. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly details?: ErrorDetails;
}

/** The problem document of an error, without causes and stacks. */
export function problemOf(error: CairnError): Problem {
  const base = {
    type: `urn:cairn:error:${error.code}`,
    title: error.code.replaceAll('-', ' '),
    status: ERROR_TABLE[error.code].httpStatus,
    detail: error.message,
    code: error.code,
  };
  return Object.keys(error.details).length === 0 ? base : { ...base, details: error.details };
}

/** Longest message that this side accepts, in characters. */
const MAX_DETAIL_CHARACTERS = 2000;

/** The meaning of a status beside a problem document without a code that this version knows. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  408: 'timeout',
  413: 'manifest-too-large',
  429: 'rate-limited',
  507: 'storage-full',
};
/** The meaning of a status that something else than a cairn server has sent. */
const FOREIGN_CODES: Readonly<Record<number, ErrorCode>> = {
  408: 'timeout',
  413: 'body-too-large',
  429: 'rate-limited',
  507: 'storage-full',
};

/**
 * The error of a response with an error status. Without a problem document no cairn server has answered: a proxy whose
 * server is down may send 404 or 401 as well as 502, so the client tries again. A body too large for a proxy stays so.
 *
 * @param errorHeader the value of the header `Cairn-Error`, which stands in for the body of an answer to HEAD
 */
export function errorOfResponse(
  status: number,
  contentType: string | undefined,
  body: string,
  errorHeader?: string,
): CairnError {
  const isProblem = contentType?.startsWith(PROBLEM_TYPE) === true;
  const problem = isProblem ? parseProblem(body) : undefined;
  if (problem !== undefined) return problem;
  if (isCodeOfPeer(errorHeader))
    return new CairnError(errorHeader, `the server answered: ${errorHeader.replaceAll('-', ' ')}`);
  if (isProblem) {
    const known = CODES[status] ?? (status >= 500 ? 'server-busy' : 'not-a-cairn-server');
    return new CairnError(known, `the server answered with HTTP status ${status}`, { details: { status } });
  }
  const code = FOREIGN_CODES[status] ?? foreignCodeOf(status);
  if (code === 'body-too-large') return tooLargeForProxy(status);
  const said = contentType === undefined ? '' : `, ${printable(contentType.slice(0, 100))}`;
  const message = `something other than the cairn server has answered (HTTP status ${status}${said}): a proxy before it, or another server in its place`;
  return new CairnError(code, message, { details: { status, isForeign: true } });
}

function foreignCodeOf(status: number): ErrorCode {
  if (status < 400) return 'not-a-cairn-server';
  return status >= 500 ? 'server-busy' : 'network';
}

function tooLargeForProxy(status: number): CairnError {
  const message =
    'a proxy before the server takes no body of this size (HTTP status 413): lift its limit (nginx: client_max_body_size 0)';
  return new CairnError('body-too-large', message, { details: { status, isForeign: true } });
}

function parseProblem(body: string): CairnError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined; // of a broken document only the status counts
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { code, detail, details } = value as { code?: unknown; detail?: unknown; details?: unknown };
  if (!isCodeOfPeer(code)) return undefined;
  const message = typeof detail === 'string' ? printable(detail.slice(0, MAX_DETAIL_CHARACTERS)) : code;
  return new CairnError(code, message, { details: detailsOf(details) });
}

/** Exit codes that only this side can decide: its user, or what it found on this machine, ends a command with them. */
const OWN_ENDS = new Set<number>([EXIT.partial, EXIT.sourceCommandFailed, EXIT.interrupted, EXIT.terminated]);

/** Whether the other side may send a code: an answer `partial` would pass for a transfer that has brought the rest. */
function isCodeOfPeer(value: unknown): value is ErrorCode {
  return isErrorCode(value) && !OWN_ENDS.has(ERROR_TABLE[value].exitCode);
}

/** Names of details that only this process may set, such as `isUnconnected` and `isKept`. */
const OWN_JUDGEMENT = /^is[A-Z]/;

function detailsOf(value: unknown): ErrorDetails {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const kept: Record<string, string | number | boolean | number[] | string[]> = {};
  for (const [key, detail] of Object.entries(value)) {
    if (key === '__proto__' || OWN_JUDGEMENT.test(key)) continue;
    if (typeof detail === 'string' || typeof detail === 'number' || typeof detail === 'boolean')
      kept[key] = detail;
    else if (isArrayOf(detail, 'number')) kept[key] = detail;
    else if (isArrayOf(detail, 'string')) kept[key] = detail;
  }
  return kept;
}

function isArrayOf(value: unknown, type: 'number'): value is number[];
function isArrayOf(value: unknown, type: 'string'): value is string[];
function isArrayOf(value: unknown, type: string): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === type);
}
