/**
 * Puts of objects, with and without a condition. A put whose answer is lost, or is an error, may have been done: each put under a
 * condition has a random number among its metadata, by which it finds itself again, and the tag that it replaces.
 */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { digestOfBody, sizeOf } from '../object-body.ts';
import type { ObjectBody, PutOptions } from '../object-store.ts';
import { tagOf } from './object-head.ts';
import { failureError, isMissingKey } from './s3-failure.ts';
import type { S3Answer, S3Client, S3Request, SignedBody } from './s3-client.ts';

const NONCE = 'x-amz-meta-cairn-nonce';
const REPLACES = 'x-amz-meta-cairn-replaces';
/** What a put that makes an object replaces. */
const NOTHING = 'nothing';

/** See `ObjectStore.put`; the key is checked. */
export async function putS3Object(
  client: S3Client,
  key: string,
  body: ObjectBody,
  { sha256, ifMatch, maxBytes }: PutOptions & { readonly maxBytes: number },
): Promise<string | undefined> {
  const signed: SignedBody = {
    sizeBytes: sizeOf(body),
    sha256: await digestOfBody(body, { sha256, maxBytes }),
    open: body instanceof Uint8Array ? () => piecesOf(body) : () => body.open(),
  };
  const request: S3Request = {
    method: 'PUT',
    key: client.place.prefix + key,
    body: signed,
    doing: `writing the object "${printable(key)}"`,
  };
  if (ifMatch !== undefined) return putIf(client, request, ifMatch);
  const answer = await client.send(request);
  if (answer.failure !== undefined) throw failureError(answer.failure, request.doing);
  return tagOfPut(answer);
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function tagOfPut({ headers, body }: S3Answer): Promise<string> {
  body.resume();
  return tagOf(headers.etag);
}

/** The answers to a condition that does not hold, or that met another put. */
const REFUSED: ReadonlySet<number> = new Set([409, 412]);

async function putIf(
  client: S3Client,
  request: S3Request,
  ifMatch: string | null,
): Promise<string | undefined> {
  const nonce = randomBytes(16).toString('hex');
  const replaces = ifMatch ?? NOTHING;
  const conditional: S3Request = {
    ...request,
    headers: {
      // Ceph compares the tag with all that stands here, quotes included; the others take it without.
      ...(ifMatch === null ? { 'if-none-match': '*' } : { 'if-match': ifMatch }),
      [NONCE]: nonce,
      [REPLACES]: replaces,
    },
  };
  let doubt: CairnError | undefined;
  for (let tries = 1; ; tries += 1) {
    const outcome = await client.sendOnce(conditional);
    if ('unknown' in outcome) doubt = outcome.unknown;
    else if (outcome.failure === undefined) return tagOfPut(outcome);
    else if (!REFUSED.has(outcome.failure.status) && !isMissingKey(outcome.failure))
      throw failureError(outcome.failure, request.doing);
    const there = await lookAt(client, request);
    if (there?.nonce === nonce) return there.etag;
    if ((there?.etag ?? null) !== ifMatch) {
      // Once the object that was to be replaced has a successor, this put can no longer follow it.
      if (doubt === undefined || there?.replaces === replaces) return undefined;
      throw notKnown(request, doubt);
    }
    await client.pause(tries, doubt ?? refusedAgain(request));
  }
}

interface Seen {
  readonly etag: string;
  readonly nonce: unknown;
  readonly replaces: unknown;
}

async function lookAt(client: S3Client, { key = '', doing }: S3Request): Promise<Seen | undefined> {
  const { headers, body, failure } = await client.send({ method: 'HEAD', key, doing });
  body.resume();
  if (isMissingKey(failure)) return undefined;
  if (failure !== undefined) throw failureError(failure, doing);
  return { etag: tagOf(headers.etag), nonce: headers[NONCE], replaces: headers[REPLACES] };
}

function notKnown({ doing }: S3Request, cause: CairnError): CairnError {
  const message = `the store gave no clear answer while ${doing}, and others have changed the object since; try again later`;
  return new CairnError('server-busy', message, { cause });
}

function refusedAgain({ doing }: S3Request): CairnError {
  const message = `the store refuses again and again while ${doing}, although the condition holds; try again later`;
  return new CairnError('server-busy', message);
}
