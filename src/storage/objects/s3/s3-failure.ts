/** What an answer of the service says when it is no success, and which error that is here. */
import { CairnError, type ErrorCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { parseXml, textIn } from './xml-elements.ts';

/** A refusal or a fault that the service told. */
export interface S3Failure {
  readonly status: number;
  /** A word of the service such as `NoSuchKey`; empty where it told none, as answers to HEAD do. */
  readonly code: string;
  /** Its sentence, cut and printable. */
  readonly message: string;
  /** The region that it names, where the request came to another one. */
  readonly region: string | undefined;
}

const MAX_WORD_LENGTH = 60;
const MAX_MESSAGE_LENGTH = 300;

/** Reads the body of such an answer; whatever it holds, there is a failure to tell. */
export function parseFailure(
  status: number,
  body: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): S3Failure {
  const named = headers['x-amz-bucket-region'];
  const region = typeof named === 'string' ? named : undefined;
  try {
    const root = parseXml(body);
    const code = printable((textIn(root, 'Code') ?? '').slice(0, MAX_WORD_LENGTH));
    const message = printable((textIn(root, 'Message') ?? '').slice(0, MAX_MESSAGE_LENGTH));
    return { status, code, message, region: region ?? textIn(root, 'Region') };
  } catch {
    return { status, code: '', message: '', region }; // a proxy answered, or nothing followed the head
  }
}

const TOO_MUCH: ReadonlySet<string> = new Set([
  'SlowDown',
  'RequestLimitExceeded',
  'Throttling',
  'TooManyRequests',
]);
const AGAIN: ReadonlySet<string> = new Set([
  'RequestTimeout',
  'InternalError',
  'ServiceUnavailable',
  'OperationAborted',
]);

/** Whether the service has too much to do, so that it should get fewer requests at a time. */
export function isTooMuch({ status, code }: S3Failure): boolean {
  return status === 429 || status === 503 || TOO_MUCH.has(code);
}

/** Whether the same request may succeed later; it may have been done all the same. */
export function isTransient(failure: S3Failure): boolean {
  const { status, code } = failure;
  return isTooMuch(failure) || AGAIN.has(code) || (status >= 500 && status !== 501 && status !== 507);
}

/** Whether there is no object under the key that was asked for; a bucket that is missing is another matter. */
export function isMissingKey(failure: S3Failure | undefined): boolean {
  return failure?.status === 404 && failure.code !== 'NoSuchBucket';
}

const BY_CODE: Readonly<Record<string, ErrorCode>> = {
  QuotaExceeded: 'storage-full',
  EntityTooLarge: 'storage-unsupported',
  NotImplemented: 'storage-unsupported',
  XAmzContentSHA256Mismatch: 'digest-mismatch',
  BadDigest: 'digest-mismatch',
  PermanentRedirect: 'config-invalid',
  TemporaryRedirect: 'config-invalid',
  AuthorizationHeaderMalformed: 'config-invalid',
};

/** The error for a failure while `doing` something, such as "writing an object". */
export function failureError(failure: S3Failure, doing: string): CairnError {
  const { status, code, message, region } = failure;
  const told = [code === '' ? undefined : code, message === '' ? undefined : message]
    .filter(Boolean)
    .join(': ');
  const elsewhere =
    region === undefined
      ? ''
      : `; the bucket is in the region ${printable(region).slice(0, MAX_WORD_LENGTH)}`;
  const text = `the store answered ${status}${told === '' ? '' : ` (${told})`} while ${doing}${elsewhere}`;
  return new CairnError(codeOf(failure), text, { details: { status, s3Code: code } });
}

function codeOf({ status, code }: S3Failure): ErrorCode {
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code]!;
  if (status >= 300 && status < 400) return 'config-invalid';
  if (status === 401 || status === 403) return 'storage-denied';
  if (status === 507) return 'storage-full';
  return status === 501 ? 'storage-unsupported' : 'storage-io';
}
