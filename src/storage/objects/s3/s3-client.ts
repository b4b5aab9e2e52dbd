/**
 * Sends requests to a bucket: signed, as many at a time as the service takes, and again where that can do no harm. A request
 * with a condition is sent once: where its outcome is not known the caller has to look.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { createAdaptiveWidth } from './adaptive-width.ts';
import { type Answered, type Exchanger, textOfBody } from './http-exchange.ts';
import { failureError, isTooMuch, isTransient, parseFailure, type S3Failure } from './s3-failure.ts';
import type { S3Place } from './s3-place.ts';
import { canonicalQuery, EMPTY_SHA256, type S3Credentials, signedHeaders } from './signature.ts';

/** A body whose digest is known before it is sent; it can be opened again. */
export interface SignedBody {
  readonly sizeBytes: number;
  readonly sha256: string;
  open(): AsyncIterable<Uint8Array>;
}

/** A request to the bucket. */
export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST';
  /** The whole key, unencoded, of characters that need no encoding; undefined: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: SignedBody;
  /** For errors, such as "reading an object". */
  readonly doing: string;
}

/** An answer: a success, whose body has to be read or destroyed, or a refusal that trying again does not change. */
export type S3Answer = Answered & { readonly failure?: S3Failure };

/** The outcome of a request that is sent once. */
export type S3Outcome = S3Answer | { readonly unknown: CairnError };

/** A client of one bucket; one a node, since it adapts to what the service takes. */
export interface S3Client {
  readonly place: S3Place;
  /** Sends until there is an answer. @throws CairnError `server-busy` where the service is away or has too much to do */
  send(request: S3Request): Promise<S3Answer>;
  /** Sends once. @throws CairnError as `send` where the request was not sent at all */
  sendOnce(request: S3Request): Promise<S3Outcome>;
  /** Waits before the try number `tries`, from 1. @throws CairnError the given one where there were too many */
  pause(tries: number, error: CairnError): Promise<void>;
}

/** The parts of a client. */
export interface S3ClientParts {
  readonly place: S3Place;
  readonly exchange: Exchanger;
  /** @param isRefused whether the service has refused the ones of before: then new ones are fetched */
  readonly credentials: (isRefused?: boolean) => Promise<S3Credentials>;
  /** The machine's clock, in milliseconds since 1970. */
  readonly now?: () => number;
  /** A number below 1. */
  readonly random?: () => number;
  readonly wait?: (milliseconds: number) => Promise<unknown>;
}

const MAX_TRIES = 7;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 4000;
const WIDTH = { initial: 16, max: 128 };
const MAX_FAILURE_BYTES = 64 * 1024;
const EXPIRED: ReadonlySet<string> = new Set(['ExpiredToken', 'TokenRefreshRequired', 'InvalidToken']);
const SKEWED = 'RequestTimeTooSkewed';

/** Makes a client. */
export function createS3Client(parts: S3ClientParts): S3Client {
  const { place, random = Math.random, wait = sleep } = parts;
  const sendOnce = createSendOnce(parts);
  const pause: S3Client['pause'] = async (tries, error) => {
    if (tries >= MAX_TRIES) throw error;
    await wait(random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries));
  };
  return {
    place,
    sendOnce,
    pause,
    send: async (request) => {
      for (let tries = 1; ; tries += 1) {
        const outcome = await sendOnce(request);
        if (!('unknown' in outcome)) return outcome;
        await pause(tries, outcome.unknown);
      }
    },
  };
}

function createSendOnce({
  place,
  exchange,
  credentials,
  now = Date.now,
}: S3ClientParts): S3Client['sendOnce'] {
  const width = createAdaptiveWidth(WIDTH);
  /** How far the clock of the service is ahead of this machine's, once that mattered. */
  let aheadMs = 0;
  const attempt = async (request: S3Request, keys: S3Credentials): Promise<S3Outcome> => {
    const beganAtMs = performance.now();
    const outcome = await outcomeOf(
      exchange,
      signed(request, place, { keys, atMs: now() + aheadMs }),
      request.doing,
    );
    if ('unknown' in outcome) {
      if (outcome.isTooMuch) width.shrink(beganAtMs);
    } else width.grow();
    return outcome;
  };
  return (request) =>
    width.run(async () => {
      const first = await attempt(request, await credentials());
      if ('unknown' in first) return first;
      // The service has refused these two before it did anything.
      if (first.failure?.code === SKEWED) {
        aheadMs = aheadOf(first, now());
        return attempt(request, await credentials());
      }
      if (EXPIRED.has(first.failure?.code ?? '')) return attempt(request, await credentials(true));
      return first;
    });
}

function aheadOf({ headers, failure }: S3Answer, nowMs: number): number {
  const storeMs = Date.parse(headers.date ?? '');
  if (Number.isFinite(storeMs)) return storeMs - nowMs;
  const message = `the clock of this machine (${new Date(nowMs).toISOString()}) is too far from that of the store, which does not tell its own: set the clock`;
  throw new CairnError('config-invalid', message, { details: { status: failure?.status ?? 0 } });
}

function signed(
  { method, key, query = {}, headers = {}, body }: S3Request,
  { origin, pathBefore, region }: S3Place,
  { keys, atMs }: { readonly keys: S3Credentials; readonly atMs: number },
): Parameters<Exchanger>[0] {
  const path = `${pathBefore}${key === undefined ? '' : `/${key}`}` || '/';
  const length =
    method === 'PUT' || method === 'POST' ? { 'content-length': String(body?.sizeBytes ?? 0) } : {};
  const bodySha256 = body?.sha256 ?? EMPTY_SHA256;
  const own = { ...headers, host: origin.host };
  const all = signedHeaders(
    { method, path, query, headers: own, bodySha256 },
    { credentials: keys, region, atMs },
  );
  const url = new URL(origin);
  url.pathname = path;
  url.search = canonicalQuery(query);
  return {
    method,
    url,
    headers: { ...all, ...length },
    open: body === undefined ? undefined : () => body.open(),
  };
}

type Outcome = S3Answer | { readonly unknown: CairnError; readonly isTooMuch: boolean };

async function outcomeOf(
  exchange: Exchanger,
  sent: Parameters<Exchanger>[0],
  doing: string,
): Promise<Outcome> {
  let ofBody: { readonly error: unknown } | undefined;
  const { open } = sent;
  const noted = async function* (): AsyncGenerator<Uint8Array> {
    try {
      if (open !== undefined) yield* open();
    } catch (error) {
      ofBody = { error };
      throw error;
    }
  };
  let answer: Answered;
  try {
    answer = await exchange(open === undefined ? sent : { ...sent, open: noted });
  } catch (error) {
    if (ofBody !== undefined) throw ofBody.error;
    return { unknown: awayError(error, doing), isTooMuch: false };
  }
  if (answer.status < 300 || answer.status === 304) return answer;
  // The words of a failure may be cut; its status is known.
  const text = await textOfBody(answer.body, MAX_FAILURE_BYTES).catch(() => '');
  const failure = parseFailure(answer.status, text, answer.headers);
  if (!isTransient(failure)) return { ...answer, failure };
  const { message } = failureError(failure, doing);
  const details = { status: failure.status, s3Code: failure.code };
  return {
    unknown: new CairnError('server-busy', `${message}; try again later`, { details }),
    isTooMuch: isTooMuch(failure),
  };
}

function awayError(error: unknown, doing: string): CairnError {
  const system = systemCodeOf(error);
  const isOfLine =
    system !== undefined ||
    (error instanceof CairnError && (error.code === 'timeout' || error.code === 'network'));
  if (!isOfLine) throw error;
  const why = system ?? (error as CairnError).message;
  return new CairnError(
    'server-busy',
    `the store could not be reached while ${doing} (${why}); try again later`,
    {
      cause: error,
    },
  );
}
