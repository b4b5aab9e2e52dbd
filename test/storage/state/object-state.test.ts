import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { StateDocument } from '../../../src/storage/state/state-store.ts';
import { createReadDocuments } from '../../../src/storage/state/objects/read-documents.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { clientAt } from '../../support/s3/s3-at-hand.ts';
import { startFaultyS3 } from '../../support/s3/faulty-s3.ts';
import { createS3Objects } from '../../../src/storage/objects/s3/s3-objects.ts';
import { expect, it } from 'vitest';
import { stateStoreSuite } from '../../suites/state-store.ts';

const options = { lookEveryMs: 5 };

stateStoreSuite('documents as objects in memory', async () => {
  const objects = createMemoryObjects();
  const reopen = async () => createObjectState(objects, options);
  return { store: await reopen(), reopen, cleanup: async () => {} };
});

stateStoreSuite('documents as objects in a directory', async () => {
  const home = await mkdtemp(join(tmpdir(), 'cairn-state-'));
  const reopen = async () => createObjectState(await openDirectoryObjects(join(home, 'objects')), options);
  return { store: await reopen(), reopen, cleanup: () => rm(home, { recursive: true, force: true }) };
});

stateStoreSuite('documents as objects in a bucket', async () => {
  const { endpoint } = await startFaultyS3();
  const reopen = async () => createObjectState(createS3Objects(clientAt('s3://bucket', endpoint)), options);
  return { store: await reopen(), reopen, cleanup: async () => {} };
});

it('a document in a bucket that is changed and changed back is another version', async () => {
  const { endpoint } = await startFaultyS3();
  const state = createObjectState(createS3Objects(clientAt('s3://bucket', endpoint)));
  const first = await state.compareAndSet('k', null, 'text');
  const second = await state.compareAndSet('k', first!, 'other');
  const third = await state.compareAndSet('k', second!, 'text');
  expect(third).not.toBe(first);
  expect(await state.compareAndSet('k', first!, 'late')).toBeUndefined();
  expect((await state.get('k'))?.text).toBe('text');
});

it('documents in a bucket are listed again without reading those that are unchanged', async () => {
  const { endpoint, asked } = await startFaultyS3();
  const state = createObjectState(createS3Objects(clientAt('s3://bucket', endpoint)));
  for (const key of ['d/1', 'd/2', 'd/3']) await state.compareAndSet(key, null, `of ${key}`);
  const texts = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { text } of state.list('d/')) found.push(text);
    return found;
  };
  await texts();
  const { version } = (await state.get('d/2'))!;
  await state.compareAndSet('d/2', version, 'changed');
  await state.remove('d/3');
  asked.length = 0;
  expect(await texts()).toEqual(['of d/1', 'changed']);
  expect(asked.filter(({ method }) => method === 'GET').map(({ key }) => key)).toEqual(['', 'd/2']);
});

it('a watched document costs a look at its object, and no listing', async () => {
  const { endpoint, asked } = await startFaultyS3();
  const state = createObjectState(createS3Objects(clientAt('s3://bucket', endpoint)), { lookEveryMs: 5 });
  const version = await state.compareAndSet('a/tokens', null, 'one');
  asked.length = 0;
  const stop = new AbortController();
  const changes = state.watch('a/tokens', stop.signal)[Symbol.asyncIterator]();
  expect((await changes.next()).value).toEqual([]);
  await state.compareAndSet('a/tokens', version!, 'two');
  expect((await changes.next()).value).toEqual(['a/tokens']);
  await state.remove('a/tokens');
  expect((await changes.next()).value).toEqual(['a/tokens']);
  stop.abort();
  expect(asked.filter(({ query }) => query.has('list-type'))).toEqual([]);
});

it('documents that were read are kept as far as there is room, the latest first', () => {
  const documents = createReadDocuments(10);
  const document = (key: string, length: number): StateDocument => ({
    key,
    version: '1',
    text: 'x'.repeat(length),
  });
  documents.keep(document('a', 4));
  documents.keep(document('b', 4));
  documents.keep(document('a', 3));
  documents.keep(document('c', 4));
  documents.keep(document('d', 11));
  expect(['a', 'b', 'c', 'd'].filter((key) => documents.find(key, '1') !== undefined)).toEqual(['a', 'c']);
  expect(documents.find('a', '2')).toBeUndefined();
});
