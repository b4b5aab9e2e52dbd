import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import { proveBucket } from '../../../src/storage/objects/s3/prove-bucket.ts';
import { createS3Objects } from '../../../src/storage/objects/s3/s3-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { objectStoreSuite } from '../../suites/object-store.suite.ts';
import { keysOf, put, textOf } from '../../suites/objects-at-hand.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { type Fault, type FaultyS3, startFaultyS3 } from '../../support/s3/faulty-s3.ts';
import { clientAt } from '../../support/s3/s3-at-hand.ts';

async function open(ignores?: readonly string[]): Promise<{ service: FaultyS3; store: ObjectStore }> {
  const service = await startFaultyS3(ignores);
  return { service, store: createS3Objects(clientAt('s3://bucket', service.endpoint)) };
}

/** Lets a fault happen to the first requests with a method, so many times. */
function failing(service: FaultyS3, method: string, fault: Fault, times = 1): void {
  let left = times;
  service.fault = (asked) => (asked.method === method && left-- > 0 ? fault : undefined);
}

const methodsOf = ({ asked }: FaultyS3): string => asked.map(({ method }) => method).join(' ');

objectStoreSuite('objects in a small S3', async () => {
  const { service, store } = await open();
  const reopen = async (): Promise<ObjectStore> => createS3Objects(clientAt('s3://bucket', service.endpoint));
  return { store, reopen, cleanup: async () => {} };
});

describe('conditional puts', () => {
  it.each<[string, Fault]>([
    ['whose answer was lost', { cut: 'after' }],
    ['that was done, and answered by an error', { status: 500, code: 'InternalError', isDone: true }],
  ])('a conditional put %s is found again, and not sent twice', async (_what, fault) => {
    const { service, store } = await open();
    const first = await put(store, 'k', 'first', null);
    failing(service, 'PUT', fault);
    service.asked.length = 0;
    expect(await put(store, 'k', 'second', first)).toBeTypeOf('string');
    expect([methodsOf(service), await textOf(store, 'k')]).toEqual(['PUT HEAD', 'second']);
  });

  it.each<[string, Fault]>([
    ['that never arrived', { cut: 'before' }],
    ['that the service failed at', { status: 500, code: 'InternalError' }],
    ['that the service had no time for', { status: 503, code: 'SlowDown' }],
    ['that met another one', { status: 409, code: 'ConditionalRequestConflict' }],
  ])('a conditional put %s is sent again after a look', async (_what, fault) => {
    const { service, store } = await open();
    failing(service, 'PUT', fault);
    expect(await put(store, 'k', 'x', null)).toBeTypeOf('string');
    expect(methodsOf(service)).toBe('PUT HEAD PUT');
  });

  it('a conditional put that lost is reported so, even if the service answers with an error', async () => {
    const { service, store } = await open();
    const first = await put(store, 'k', 'first', null);
    failing(service, 'PUT', { status: 500, code: 'UnknownError' });
    service.put('k', 'of another', first);
    expect(await put(store, 'k', 'mine', first)).toBeUndefined();
    failing(service, 'PUT', { status: 500, code: 'UnknownError' });
    service.put('new', 'of another', 'nothing');
    expect(await put(store, 'new', 'mine', null)).toBeUndefined();
    expect(await textOf(store, 'k')).toBe('of another');
  });

  it('a conditional put whose end cannot be known, since the object changed again, ends as busy', async () => {
    const { service, store } = await open();
    const first = await put(store, 'k', 'first', null);
    failing(service, 'PUT', { cut: 'after' });
    const { fault } = service;
    service.fault = (asked) => {
      // Another client replaces what this put has brought, before it looks.
      if (asked.method === 'HEAD') service.put('k', 'of another', service.objects.get('k')!.etag);
      return fault(asked);
    };
    expect(await codeOf(() => put(store, 'k', 'mine', first))).toBe('server-busy');
  });

  it('a conditional put ends as busy after some tries where the service is away', async () => {
    const { service, store } = await open();
    service.fault = () => ({ cut: 'before' });
    expect(await codeOf(() => put(store, 'k', 'x', null))).toBe('server-busy');
    expect(service.objects.size).toBe(0);
  });
});

describe('requests without a condition', () => {
  it.each<Fault>([{ cut: 'before' }, { cut: 'after' }, { status: 500, code: 'InternalError' }])(
    'a put without a condition is sent again after the fault %j',
    async (fault) => {
      const { service, store } = await open();
      failing(service, 'PUT', fault, 3);
      expect(await put(store, 'k', 'x')).toBeTypeOf('string');
      expect(methodsOf(service)).toBe('PUT PUT PUT PUT');
    },
  );

  it('a put ends as "busy" where the service never has time', async () => {
    const { service, store } = await open();
    service.fault = () => ({ status: 503, code: 'SlowDown' });
    const error = await put(store, 'k', 'x').catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'server-busy',
      message: expect.stringContaining('SlowDown') as unknown,
    });
  });

  it('a get whose answer is cut in the middle goes on from there', async () => {
    const { service, store } = await open();
    const text = 'abcdefghij'.repeat(1000);
    await put(store, 'k', text);
    failing(service, 'GET', { cut: 'after', afterBytes: 3000 }, 2);
    expect(await textOf(store, 'k')).toBe(text);
    const ranges = service.asked.filter(({ method }) => method === 'GET').map(({ headers }) => headers.range);
    expect(ranges).toEqual([undefined, 'bytes=3000-9999', 'bytes=6000-9999']);
  });

  it('a get whose answer is cut does not go on with another version', async () => {
    const { service, store } = await open();
    await put(store, 'k', 'a'.repeat(10_000));
    failing(service, 'GET', { cut: 'after', afterBytes: 3000 });
    const found = await store.get('k');
    if (found === undefined || found === 'unchanged') throw new Error('it is there');
    service.put('k', 'b'.repeat(10_000));
    const read = async (): Promise<void> => {
      for await (const piece of found.bytes) expect(piece[0]).toBe(0x61);
    };
    expect(await codeOf(read)).toBe('storage-io');
  });

  it('a request is signed by the time of the service where the clock of this machine is far off', async () => {
    const service = await startFaultyS3();
    const hourAgo = (): number => Date.now() - 3_600_000;
    const store = createS3Objects(clientAt('s3://bucket', service.endpoint, { now: hourAgo }));
    service.fault = ({ headers }) => {
      const time = String(headers['x-amz-date']).replace(/^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:');
      const awayMs = Math.abs(Date.parse(time) - Date.now());
      return awayMs < 900_000 ? undefined : { status: 403, code: 'RequestTimeTooSkewed' };
    };
    await put(store, 'k', 'x', null);
    await put(store, 'l', 'x');
    expect(methodsOf(service)).toBe('PUT PUT PUT');
  });

  it('a request is signed by new keys when the service says that the old ones have expired', async () => {
    const service = await startFaultyS3();
    const asked: boolean[] = [];
    const credentials = async (isRefused = false) => {
      asked.push(isRefused);
      return { accessKeyId: isRefused ? 'new' : 'old', secretAccessKey: 's' };
    };
    const store = createS3Objects(clientAt('s3://bucket', service.endpoint, { credentials }));
    service.fault = ({ headers }) =>
      headers.authorization?.includes('Credential=old/') === true
        ? { status: 400, code: 'ExpiredToken' }
        : undefined;
    await put(store, 'k', 'x', null);
    expect(asked).toEqual([false, true]);
  });
});

describe('wrong answers', () => {
  const page = (...keys: string[]): string =>
    `<ListBucketResult><IsTruncated>true</IsTruncated>${keys.map((key) => `<Contents><Key>${key}</Key></Contents>`).join('')}</ListBucketResult>`;

  it.each([
    ['no XML', 'nonsense'],
    ['XML that is cut', '<ListBucketResult><Contents>'],
    ['a document type', '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'],
    ['elements in elements without end', '<a>'.repeat(1000)],
    ['a key before the one that was asked for', page('a')],
    ['a key below another prefix', page('d/1', 'x')],
    ['keys out of order', page('d/2', 'd/1')],
    ['a page without keys that is not the last', page()],
    ['an object without a size', page('d/1')],
  ])('a listing ends with an error when an answer has %s', async (_what, body) => {
    const { service, store } = await open();
    service.fault = () => ({ body });
    expect(await codeOf(() => keysOf(store, 'd/', 'd/0'))).toBe('storage-io');
  });

  it.each([
    [403, 'AccessDenied', 'storage-denied'],
    [403, 'QuotaExceeded', 'storage-full'],
    [400, 'AuthorizationHeaderMalformed', 'config-invalid'],
    [301, 'PermanentRedirect', 'config-invalid'],
    [501, 'NotImplemented', 'storage-unsupported'],
    [418, '', 'storage-io'],
  ])('a refusal %i %s of the service is the error %s', async (status, code, expected) => {
    const { service, store } = await open();
    service.fault = () => ({ status, code, headers: { 'x-amz-bucket-region': 'eu-west-9' } });
    const error = await put(store, 'k', 'x').catch((reason: unknown) => reason);
    if (!(error instanceof CairnError)) throw error;
    expect([error.code, error.message.includes('eu-west-9')]).toEqual([expected, true]);
  });
});

describe('buckets', () => {
  const proved = (store: ObjectStore): Promise<string> => codeOf(() => proveBucket(store, 's3://bucket'));

  it('a bucket that honours conditions is accepted, and keeps nothing of the proof but its format', async () => {
    const { service, store } = await open();
    await proveBucket(store, 's3://bucket');
    service.put('proof/old', 'of a start that was killed');
    service.put('proof/young', 'of one that goes on');
    const old = service.objects.get('proof/old')!;
    service.objects.set('proof/old', { ...old, modified: new Date(Date.now() - 7_200_000) });
    await proveBucket(store, 's3://bucket');
    expect(await keysOf(store)).toEqual(['format', 'proof/young']);
  });

  it.each([[['if-none-match']], [['if-match']], [['if-none-match', 'if-match']]])(
    'a bucket is refused where its service ignores %j',
    async (ignores) => {
      const { store } = await open(ignores);
      const error = await proveBucket(store, 's3://bucket').catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: 'storage-unsupported',
        message: expect.stringContaining('no compare-and-set') as unknown,
      });
      expect(await keysOf(store)).toEqual([]);
    },
  );

  it('a bucket is refused where its service knows no conditions, it is missing, or of a newer cairn', async () => {
    const { service, store } = await open();
    service.fault = ({ method }) => (method === 'PUT' ? { status: 501, code: 'NotImplemented' } : undefined);
    expect(await proved(store)).toBe('storage-unsupported');
    service.fault = ({ method }) => (method === 'PUT' ? { status: 404, code: 'NoSuchBucket' } : undefined);
    expect(await proved(store)).toBe('not-found');
    service.fault = () => undefined;
    service.put('format', '{"format":"cairn-objects","version":2}');
    expect(await proved(store)).toBe('journal-version');
  });
});
