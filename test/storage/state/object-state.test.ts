import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
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
