import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openLocalDisk } from '../../src/storage/disk/local-disk.ts';
import { contentStoreSuite } from '../suites/content-store.ts';

contentStoreSuite('local disk', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'cairn-suite-'));
  let store = await openLocalDisk(root);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openLocalDisk(root);
      return store;
    },
    cleanup: async () => {
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
});
