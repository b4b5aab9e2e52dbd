import { expect, onTestFinished, test, vi } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { freeLeftovers } from '../../src/server/core/sessions/leftovers.ts';
import { createMemoryContentStore } from '../support/memory-stores/memory-content-store.ts';
import type { SessionRecord } from '../../src/session/record.ts';
import { recordOf } from '../suites/session-store.ts';
import { file, transferOf } from '../suites/staged-transfer.ts';
import { interceptChunks, openPush, openScene, until } from './by-hand.ts';

const ID = 'a'.repeat(22);

test('a staging area that could not be freed is tried again until it is, ever more seldom', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const store = createMemoryContentStore();
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
  const log = { debug: () => {}, info: note, warn: note, error: note };
  const leftovers = freeLeftovers(content, { get: async () => undefined }, log);
  leftovers.note(ID);
  leftovers.note(ID);
  await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000);
  expect([tries, await store.listStaging(), said]).toEqual([3, [ID], []]);
  await vi.advanceTimersByTimeAsync(8000);
  expect([tries, await store.listStaging()]).toEqual([4, []]);
  expect(said).toEqual(['freed the staging area of an ended session that could not be freed before']);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(tries).toBe(4);
  leftovers.note(ID);
  leftovers.stop();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(tries).toBe(4);
});

test('the staging of a new session with the same id is not freed as a leftover', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const store = createMemoryContentStore();
  await (await store.openStaging(ID)).save('plan', ['{}']);
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  let state: SessionRecord['state'] = 'open';
  const leftovers = freeLeftovers(store, { get: async () => recordOf(ID, { state }) }, log);
  leftovers.note(ID);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(await store.listStaging()).toEqual([ID]);
  state = 'aborted';
  leftovers.note(ID);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await store.listStaging()).toEqual([]);
});

test('a staging area whose chunks could not be closed is freed later', async () => {
  let failures = 1;
  const scene = await openScene('memory', {
    limits: { collectEveryMs: 3_600_000 },
    wrap: (content) =>
      interceptChunks(content, (chunks) => ({
        close: async () => {
          failures -= 1;
          if (failures >= 0) throw new CairnError('storage-io', 'the disk says EIO');
          await chunks.close();
        },
      })),
  });
  const session = await openPush(scene, transferOf(scene.stores.content, 'x', [file('', 9)]));
  await session.putChunk(0);
  expect((await session.call('DELETE', '')).status).toBe(500);
  await until(async () => (await scene.stores.content.listStaging()).length === 0);
});
