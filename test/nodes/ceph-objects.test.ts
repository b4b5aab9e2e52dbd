import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { proveBucket } from '../../src/storage/objects/s3/prove-bucket.ts';
import type { S3ClientParts } from '../../src/storage/objects/s3/s3-client.ts';
import { createS3Objects } from '../../src/storage/objects/s3/s3-objects.ts';
import type { ObjectStore } from '../../src/storage/objects/object-store.ts';
import { createObjectState } from '../../src/storage/state/objects/object-state.ts';
import { objectStoreSuite } from '../suites/object-store.suite.ts';
import { stateStoreSuite } from '../suites/state-store.ts';
import { keysOf, put, textOf } from '../suites/objects-at-hand.ts';
import { codeOf } from '../suites/staged-transfer.ts';
import { clientAt } from '../support/s3/s3-at-hand.ts';
import { BUCKET, endpoint, hasCeph } from './support/ceph.ts';

const newPrefix = (): string => randomBytes(6).toString('hex');
const openAt = (prefix: string, parts: Partial<S3ClientParts> = {}): ObjectStore =>
  createS3Objects(clientAt(`${BUCKET}/${prefix}`, endpoint, parts));

describe.skipIf(!hasCeph)('over a Ceph gateway, which needs the packages of Ceph', () => {
  objectStoreSuite('objects in a bucket', async () => {
    const prefix = newPrefix();
    const reopen = async () => openAt(prefix);
    return { store: await reopen(), reopen, cleanup: async () => {} };
  });

  stateStoreSuite('documents in a bucket', async () => {
    const prefix = newPrefix();
    const reopen = async () => createObjectState(openAt(prefix), { lookEveryMs: 5 });
    return { store: await reopen(), reopen, cleanup: async () => {} };
  });

  it('a bucket can hold a store', async () => {
    const store = openAt(newPrefix());
    await proveBucket(store, BUCKET);
    expect(await keysOf(store)).toEqual(['format']);
  });

  it('of many replacers one wins in each of 50 rounds, and each loser is told so or that it is not known', async () => {
    const prefix = newPrefix();
    const stores = [openAt(prefix), openAt(prefix), openAt(prefix)];
    let etag = await put(stores[0]!, 'k', 'start', null);
    for (let round = 0; round < 50; round += 1) {
      const rivals = Array.from({ length: 12 }, (_, n) => put(stores[n % 3]!, 'k', `${round} ${n}`, etag));
      const ends = await Promise.allSettled(rivals);
      const won = ends.flatMap((end, n) =>
        end.status === 'fulfilled' && end.value !== undefined ? [n] : [],
      );
      expect(won).toHaveLength(1);
      expect(await textOf(stores[0]!, 'k')).toBe(`${round} ${won[0]}`);
      const [winner] = won;
      const end = ends[winner!]!;
      etag = end.status === 'fulfilled' ? end.value : undefined;
      const failed = ends.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
      for (const reason of failed) expect(reason).toMatchObject({ code: 'server-busy' });
    }
  });

  it('a node whose clock is an hour off, either way, works all the same', async () => {
    for (const offMs of [-3_600_000, 3_600_000]) {
      const store = openAt(newPrefix(), { now: () => Date.now() + offMs });
      expect(await put(store, 'k', 'x', null)).toBeTypeOf('string');
      expect(Math.abs((await store.now()) - Date.now())).toBeLessThan(600_000);
    }
  });

  it('lists more objects than a page has', async () => {
    const store = openAt(newPrefix());
    const keys = Array.from({ length: 1203 }, (_, n) => `d/${String(n).padStart(5, '0')}`);
    for (let first = 0; first < keys.length; first += 50)
      await Promise.all(keys.slice(first, first + 50).map((key) => put(store, key, key)));
    expect(await keysOf(store, 'd/')).toEqual(keys);
    await store.remove(keys);
    expect(await keysOf(store)).toEqual([]);
  });

  it('wrong keys and missing buckets are told apart', async () => {
    const credentials = async () => ({ accessKeyId: 'cairntest', secretAccessKey: 'wrong' });
    expect(await codeOf(() => put(openAt(newPrefix(), { credentials }), 'k', 'x'))).toBe('storage-denied');
    const elsewhere = createS3Objects(clientAt('s3://no-such-bucket', endpoint));
    expect(await codeOf(() => proveBucket(elsewhere, 's3://no-such-bucket'))).toBe('not-found');
  });
});
