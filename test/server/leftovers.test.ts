import { expect, onTestFinished, test, vi } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { freeLeftovers } from '../../src/server/core/sessions/leftovers.ts';
import { createMemoryContentStore } from '../support/memory-stores/memory-content-store.ts';
import { createMemoryBackend } from '../support/memory-stores/memory-backend.ts';

const ID = 'a'.repeat(22);

test('a staging area that could not be freed is tried again until it is, ever more seldom', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const store = createMemoryContentStore(createMemoryBackend());
  await (await store.openStaging(ID)).save('plan', ['{}']);
  let tries = 0;
  const content = {
    ...store,
    openStaging: async (id: string) => {
      tries += 1;
      if (tries < 4) throw new CairnError('storage-io', 'the disk fails for a moment');
      return store.openStaging(id);
    },
  };
  const said: string[] = [];
  const note = (_: object, message: string): void => void said.push(message);
  const leftovers = freeLeftovers(content, { debug: () => {}, info: note, warn: note, error: note });
  leftovers.note(ID);
  leftovers.note(ID);
  await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000);
  expect([tries, await store.listStaging(), said]).toEqual([3, [ID], []]);
  await vi.advanceTimersByTimeAsync(8000);
  expect([tries, await store.listStaging()]).toEqual([4, []]);
  expect(said).toEqual(['freed what the end of a session could not free']);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(tries).toBe(4);
  leftovers.note(ID);
  leftovers.stop();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(tries).toBe(4);
});
