import { expect, test } from 'vitest';
import { tallied } from '../../src/server/core/quota/tallied-store.ts';
import type { SessionChanges, SessionRecord } from '../../src/session/record.ts';
import { createMemorySessionStore } from '../support/memory-stores/memory-session-store.ts';
import { createMemoryObjects } from '../../src/storage/objects/memory/memory-objects.ts';

const NOW_MS = 1e12;

function record(id: string, { pass, ...changes }: SessionChanges = {}): SessionRecord {
  return {
    id: id.padEnd(22, '-'),
    version: 1,
    principal: 'alice',
    authorization: { id: 'token:a', principal: 'alice', scopes: ['write'], pathPrefix: '' },
    target: id,
    parallel: 1,
    state: 'open',
    epoch: 1,
    credentialHash: '',
    holder: null,
    createdAtMs: NOW_MS,
    leaseExpiresAtMs: NOW_MS + 1000,
    ...changes,
    pass: {
      direction: 'push',
      manifestId: null,
      digest: 'xxh64',
      chunkSizeBytes: 65_536,
      commit: null,
      bytesTotal: 10,
      ...pass,
    },
  };
}

test('a tally finds the sessions that were there before it, and follows changes', async () => {
  const objects = createMemoryObjects();
  const bare = createMemorySessionStore(objects);
  await bare.create(record('one'));
  const { store, tally } = tallied(createMemorySessionStore(objects), () => NOW_MS);
  expect(tally.count({ principal: 'alice' }).sessions).toBe(0);
  await tally.ready();
  await store.create(record('two', { pass: { bytesTotal: 5 } }));
  await store.create(record('pull', { pass: { direction: 'pull' } }));
  await store.create(record('late', { leaseExpiresAtMs: NOW_MS }));
  await store.create(record('other', { principal: 'bob', authorization: undefined }));
  expect(tally.count({ principal: 'alice' })).toMatchObject({ sessions: 3, bytes: 15 });
  expect(tally.mostSessions({ principal: 'alice' })).toBe(4);
  expect(tally.count({ authorization: 'token:a' }, (id) => id.startsWith('two'))).toMatchObject({
    sessions: 2,
    bytes: 10,
  });
  tally.reserve(record('two').id, { bytes: 50 });
  expect(tally.count({ principal: 'alice' }).bytes).toBe(60);
  await store.replace(record('two', { version: 2, state: 'committed' }));
  expect(tally.count({ principal: 'alice' })).toMatchObject({ sessions: 2, bytes: 10 });
  await store.remove(record('one').id);
  expect(tally.count({ principal: 'alice' })).toMatchObject({ sessions: 1, bytes: 0 });
});

test('a tally counts manifests and links of pushes, and entries of all unfinished transfers', async () => {
  const { store, tally } = tallied(createMemorySessionStore(), () => NOW_MS);
  await store.create(
    record('one', { pass: { bytesTotal: 5, linkBytes: 2, manifestBytes: 100, entries: 10 } }),
  );
  await store.create(record('pull', { pass: { direction: 'pull', manifestBytes: 50, entries: 7 } }));
  const counted = { sessions: 2, bytes: 7, manifestBytes: 100, entries: 17 };
  expect(tally.count({ principal: 'alice' })).toEqual(counted);
  tally.reserve(record('one').id, { manifestBytes: 300, entries: 1 });
  tally.reserve(record('one').id, { bytes: 9 });
  expect(tally.count({ principal: 'alice' })).toEqual({ ...counted, bytes: 9, manifestBytes: 300 });
  tally.release(record('one').id);
  expect(tally.count({ principal: 'alice' })).toEqual(counted);
});

test('a tally counts a grant for itself and for the token that issued it', async () => {
  const { store, tally } = tallied(createMemorySessionStore(), () => NOW_MS);
  const authorization = {
    id: 'grant:g',
    principal: 'grant:g',
    scopes: ['write' as const],
    pathPrefix: '',
    issuer: { id: 'token:a' },
  };
  await store.create(record('one', { principal: 'grant:g', authorization }));
  for (const id of ['grant:g', 'token:a'])
    expect(tally.count({ authorization: id })).toMatchObject({ sessions: 1, bytes: 10 });
  expect(tally.count({ principal: 'alice' }).sessions).toBe(0);
});

test('a tally drops a record that another process removed at the next list, and no new one', async () => {
  const objects = createMemoryObjects();
  const inner = createMemorySessionStore(objects);
  let arrive = (): void => undefined;
  const gate = new Promise<void>((resolve) => (arrive = resolve));
  const slow = {
    ...inner,
    create: async (next: SessionRecord) => {
      if (next.target === 'slow') await gate;
      await inner.create(next);
    },
  };
  const { store, tally } = tallied(slow, () => NOW_MS);
  await store.create(record('one'));
  await inner.remove(record('one').id);
  const creating = store.create(record('slow'));
  for await (const _ of store.list());
  arrive();
  await creating;
  expect(tally.count({ principal: 'alice' }).sessions).toBe(1);
  expect(tally.isUnfinished(record('slow').id)).toBe(true);
});

test('a tally does not count a record that could not be made', async () => {
  const { store, tally } = tallied(createMemorySessionStore(), () => NOW_MS);
  await store.create(record('one'));
  await expect(store.create(record('one'))).rejects.toThrow('taken');
  expect(tally.count({ principal: 'alice' }).sessions).toBe(1);
  const failing = { ...store, create: () => Promise.reject(new Error('the disk is full')) };
  const other = tallied(failing, () => NOW_MS);
  await expect(other.store.create(record('two'))).rejects.toThrow('full');
  expect(other.tally.count({ principal: 'alice' }).sessions).toBe(0);
});
