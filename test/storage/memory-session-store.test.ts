import { expect, it } from 'vitest';
import { createMemorySessionStore } from '../support/memory-stores/memory-session-store.ts';
import { createMemoryBackend } from '../support/memory-stores/memory-backend.ts';
import { recordOf, sessionStoreSuite } from '../suites/session-store.ts';

sessionStoreSuite('memory session store', async () => {
  const backend = createMemoryBackend();
  const reopen = async () => createMemorySessionStore(backend);
  return { store: await reopen(), reopen, cleanup: async () => {} };
});

it('is shared by all that open the same bucket, and by nobody else', async () => {
  const backend = createMemoryBackend();
  const [here, there] = [createMemorySessionStore(backend), createMemorySessionStore(backend)];
  const elsewhere = createMemorySessionStore(createMemoryBackend());
  await here.create(recordOf('a'));
  expect(here.properties.shared).toBe(true);
  expect(await there.get(recordOf('a').id)).toEqual(recordOf('a'));
  expect(await elsewhere.get(recordOf('a').id)).toBeUndefined();
});
