/** Servers of a store and commands that need it for themselves never have it at the same time. */
import { expect, test, vi } from 'vitest';
import type { CairnError } from '../../../src/base/errors.ts';
import { holdStore } from '../../../src/server/core/nodes/hold-store.ts';
import { joinStore } from '../../../src/server/core/nodes/join-store.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { stepping } from '../../storage/object-content/stepping.ts';

const log = { warn: () => undefined };
const LEASE_MS = 90_000;

function openScene(objects: ObjectStore = createMemoryObjects()) {
  const clock = { nowMs: 1_000_000 };
  const state = (over = objects) => createObjectState({ ...over, now: async () => clock.nowMs });
  const join = (over?: ObjectStore) => joinStore({ state: state(over), shown: 'x', log, leaseMs: LEASE_MS });
  const hold = (over?: ObjectStore) => holdStore({ state: state(over), shown: 'x' });
  return { objects, clock, join, hold, state: state() };
}

const codeOf = (doing: Promise<unknown>): Promise<string> =>
  doing.then(
    () => 'done',
    ({ code }: CairnError) => code,
  );

test('a command is refused while a server uses the store, and a server while a command does', async () => {
  const { join, hold } = openScene();
  const node = await join();
  await expect(hold()).rejects.toMatchObject({ code: 'state-locked', details: { nodes: 1 } });
  await node.leave();
  const held = await hold();
  expect(await codeOf(join())).toBe('state-locked');
  expect(await codeOf(hold())).toBe('state-locked');
  await held.release();
  await (await join()).leave();
});

test('a server that was killed keeps commands away until its lease is over, and a command that was killed servers', async () => {
  const { clock, join, hold } = openScene();
  await join();
  clock.nowMs += LEASE_MS - 1;
  await expect(hold()).rejects.toThrow('counts for 1 s more');
  clock.nowMs += 1;
  await hold();
  expect(await codeOf(join())).toBe('state-locked');
  clock.nowMs += 60_000;
  expect(await codeOf(join())).toBe('done');
});

test('the lease of a collector of an older version keeps commands away, too', async () => {
  const { clock, hold, state } = openScene();
  await state.compareAndSet(
    'l/collector',
    null,
    JSON.stringify({ node: 'a', term: 1, untilMs: clock.nowMs + 1 }),
  );
  expect(await codeOf(hold())).toBe('state-locked');
});

test('a server and a command that begin at once never both begin, whoever is delayed at whichever request', async () => {
  const outcomes = new Set<string>();
  for (let delayed = 1; delayed <= 8; delayed += 1) {
    for (const isServerDelayed of [true, false]) {
      const { objects, join, hold } = openScene();
      let other: Promise<string> | undefined;
      let requests = 0;
      const slow = stepping(objects, async () => {
        requests += 1;
        if (requests !== delayed) return;
        other = codeOf(isServerDelayed ? hold() : join());
        await other;
      });
      const mine = await codeOf(isServerDelayed ? join(slow) : hold(slow));
      const theirs = (await other) ?? 'not begun';
      expect([mine, theirs]).not.toEqual(['done', 'done']);
      outcomes.add(`${mine} ${theirs}`);
    }
  }
  expect(outcomes.size).toBeGreaterThan(1);
});

test('a command that was stopped until a server has begun ends, and the server goes on', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  try {
    const { clock, join, hold } = openScene();
    const held = await hold();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(held.signal.aborted).toBe(false);
    clock.nowMs += 60_000;
    const node = await join();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(held.signal.reason).toMatchObject({ code: 'state-locked' });
    await vi.advanceTimersByTimeAsync(LEASE_MS);
    expect(await Promise.race([node.lost, Promise.resolve('goes on')])).toBe('goes on');
    await held.release();
    await node.leave();
  } finally {
    vi.useRealTimers();
  }
});

test('a command ends before its lease does where the store does not answer', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'setTimeout', 'clearTimeout', 'performance'] });
  try {
    const { objects, hold } = openScene();
    let isSilent = false;
    const held = await hold(stepping(objects, () => (isSilent ? new Promise(() => undefined) : undefined)));
    await vi.advanceTimersByTimeAsync(120_000);
    expect(held.signal.aborted).toBe(false);
    isSilent = true;
    await vi.advanceTimersByTimeAsync(44_000);
    expect(held.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(held.signal.reason).toMatchObject({ code: 'state-locked' });
  } finally {
    vi.useRealTimers();
  }
});

test('a server that was stopped while a command took the store learns of it, and nodes know how many they are', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  try {
    const { clock, join, hold } = openScene();
    const [first, second] = [await join(), await join()];
    await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
    await expect.poll(() => first.count()).toBe(2);
    await second.leave();
    clock.nowMs += LEASE_MS;
    await hold();
    await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
    expect(await first.lost).toMatchObject({ code: 'state-locked' });
  } finally {
    vi.useRealTimers();
  }
});
