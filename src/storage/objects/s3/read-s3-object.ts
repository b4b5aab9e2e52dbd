/** Reads objects; a body that is cut goes on from where it was, as long as the object is the same. */
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { GetOptions, ObjectHead, OpenObject } from '../object-store.ts';
import { withoutSilence } from './http-exchange.ts';
import { headOfAnswer } from './object-head.ts';
import { failureError, isMissingKey } from './s3-failure.ts';
import type { S3Answer, S3Client } from './s3-client.ts';

/** See `ObjectStore.get`; the key is checked. */
export async function getS3Object(
  client: S3Client,
  key: string,
  { from = 0, to = Infinity, unless }: GetOptions,
): Promise<OpenObject | 'unchanged' | undefined> {
  const condition = unless === undefined ? {} : { 'if-none-match': `"${unless}"` };
  const isEmpty = to <= from;
  const answer = await ask(client, key, { method: isEmpty ? 'HEAD' : 'GET', from, to, headers: condition });
  if (answer.status === 416)
    return getS3Object(client, key, { to: 0, ...(unless === undefined ? {} : { unless }) });
  if (isMissingKey(answer.failure)) return undefined;
  if (answer.failure !== undefined) throw failureError(answer.failure, reading(key));
  const head = answer.status === 304 ? undefined : headOfAnswer(key, answer.headers);
  if (head === undefined || head.etag === unless) {
    answer.body.destroy();
    return 'unchanged';
  }
  const end = Math.min(to, head.sizeBytes);
  if (isEmpty || from >= end) {
    answer.body.resume();
    return { ...head, bytes: nothing(), close: async () => {} };
  }
  checkRange(answer, key, from);
  return {
    ...head,
    bytes: bytesOf(client, head, answer, { from, to: end }),
    close: async () => void answer.body.destroy(),
  };
}

interface Asked {
  readonly method: 'GET' | 'HEAD';
  readonly from: number;
  readonly to: number;
  readonly headers: Readonly<Record<string, string>>;
}

function ask(client: S3Client, key: string, { method, from, to, headers }: Asked): Promise<S3Answer> {
  const isPart = method === 'GET' && (from > 0 || to !== Infinity);
  const range = isPart ? { range: `bytes=${from}-${to === Infinity ? '' : to - 1}` } : {};
  const request = { method, key: client.place.prefix + key, headers: { ...headers, ...range } };
  return client.send({ ...request, doing: reading(key) });
}

const reading = (key: string): string => `reading the object "${printable(key)}"`;

/** A service that ignored the range would give other bytes. */
function checkRange({ status, headers, body }: S3Answer, key: string, from: number): void {
  const [, begins] = /^bytes (\d{1,15})-/.exec(headers['content-range'] ?? '') ?? [];
  if (status === 206 ? Number(begins) === from : from === 0) return;
  body.destroy();
  throw new CairnError('storage-io', `the store gave another part than was asked for while ${reading(key)}`);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* bytesOf(
  client: S3Client,
  { key, etag }: ObjectHead,
  first: S3Answer,
  { from, to }: { readonly from: number; readonly to: number },
): AsyncGenerator<Uint8Array> {
  let answer = first;
  let at = from;
  for (let tries = 1; ; tries += 1) {
    try {
      for await (const piece of withoutSilence(answer.body)) {
        const wanted = piece.byteLength > to - at ? piece.subarray(0, to - at) : piece;
        at += wanted.byteLength;
        tries = 1;
        yield wanted;
        if (at === to) break;
      }
    } catch (error) {
      await client.pause(tries, cutError(key, error));
    }
    if (at === to) return;
    answer = await ask(client, key, { method: 'GET', from: at, to, headers: { 'if-match': etag } });
    if (answer.failure !== undefined) throw failureError(answer.failure, `going on with ${reading(key)}`);
    checkRange(answer, key, at);
    if (headOfAnswer(key, answer.headers).etag !== etag) {
      answer.body.destroy();
      throw new CairnError('storage-io', `the object changed in the middle of ${reading(key)}`);
    }
  }
}

function cutError(key: string, cause: unknown): CairnError {
  const message = `the connection to the store was cut again and again while ${reading(key)}; try again later`;
  return new CairnError('server-busy', message, { cause });
}
