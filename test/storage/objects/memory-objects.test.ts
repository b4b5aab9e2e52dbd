import { it } from 'vitest';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { objectStoreSuite } from '../../suites/object-store.suite.ts';
import { checkAgainstMap } from './object-model.ts';

objectStoreSuite('objects in memory', async () => {
  const store = createMemoryObjects();
  return { store, reopen: async () => store, cleanup: async () => {} };
});

it('objects in memory agree with a map after any operations', async () => {
  await checkAgainstMap(async () => createMemoryObjects(), 300);
});
