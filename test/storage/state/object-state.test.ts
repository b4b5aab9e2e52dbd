import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
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

it('a document in a bucket that is changed and changed back is another version, although tags there are digests', async () => {
  const { endpoint } = await startFaultyS3();
  const state = createObjectState(createS3Objects(clientAt('s3://bucket', endpoint)));
  const first = await state.compareAndSet('k', null, 'text');
  const second = await state.compareAndSet('k', first!, 'other');
  const third = await state.compareAndSet('k', second!, 'text');
  expect(third).not.toBe(first);
  expect(await state.compareAndSet('k', first!, 'late')).toBeUndefined();
  expect((await state.get('k'))?.text).toBe('text');
});
