import { statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createSteadyClock } from '../../src/server/core/clock.ts';
import { openLastSeen, type LastSeen } from '../../src/server/core/last-seen.ts';
import { createFileState } from '../../src/storage/state/files/file-state.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { directory, file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { KINDS, openPush, openScene, until, type Scene } from './by-hand.ts';

const DAY_MS = 24 * 3600 * 1000;
const NOON_MS = Date.UTC(2026, 0, 1, 12);

function sample(scene: Scene, target = 'in'): SampleTransfer {
  return transferOf(scene.stores.content, target, [directory(''), file('a', 3 * 65_536)]);
}

/** A wall clock that can be set, beside one that nobody can set. */
function settableClocks(): { wall: () => number; elapsed: () => number; aheadMs: number; elapsedMs: number } {
  const clocks = {
    aheadMs: 0,
    elapsedMs: 0,
    wall: () => Date.UTC(2026, 0, 1) + clocks.elapsedMs + clocks.aheadMs,
    elapsed: () => clocks.elapsedMs,
  };
  return clocks;
}

test('a steady clock does not jump with the wall clock, and follows it when it is told to', async () => {
  const clocks = settableClocks();
  const clock = createSteadyClock(clocks);
  const before = clock.now();
  clocks.aheadMs = 365 * DAY_MS;
  clocks.elapsedMs = 1000;
  expect(clock.now()).toBe(before + 1000);
  expect(clock.driftMs()).toBe(365 * DAY_MS);
  await clock.follow(async (jumpMs) => {
    expect(jumpMs).toBe(365 * DAY_MS);
    expect(clock.isJudging()).toBe(false);
  });
  expect(clock.isJudging()).toBe(true);
  expect(clock.now()).toBe(clocks.wall());
});

test('a steady clock does not go back over a start, and catches up with a wall clock that is set right', async () => {
  const clocks = settableClocks();
  const lastSeenMs = clocks.wall();
  clocks.aheadMs = -18_250 * DAY_MS;
  const clock = createSteadyClock(clocks, lastSeenMs);
  clocks.elapsedMs += 1000;
  expect([clock.now(), clock.driftMs(), clock.isJudging()]).toEqual([lastSeenMs + 1000, 0, true]);
  clocks.aheadMs = 2 * DAY_MS;
  expect(clock.driftMs()).toBe(2 * DAY_MS);
  const behind = createSteadyClock({ ...clocks, wall: () => clocks.wall() - 100 * DAY_MS }, lastSeenMs);
  expect(behind.driftMs()).toBe(0);
  clocks.elapsedMs += 1.1 * DAY_MS;
  expect(Math.round(behind.driftMs() / DAY_MS)).toBe(-98);
});

test('a steady clock that starts late judges nothing at first, and believes a jump back', async () => {
  const clocks = settableClocks();
  const lastSeenMs = clocks.wall();
  clocks.aheadMs = 18_250 * DAY_MS;
  const clock = createSteadyClock(clocks, lastSeenMs);
  expect([clock.now(), clock.isJudging()]).toEqual([clocks.wall(), false]);
  clocks.aheadMs = 0;
  clocks.elapsedMs += 1000;
  await clock.follow(async (jumpMs) => expect(jumpMs).toBe(0));
  expect([clock.now(), clock.isJudging()]).toEqual([clocks.wall(), false]);
  clocks.elapsedMs += 300_000;
  expect(clock.isJudging()).toBe(true);
});

test('the time when a server was last there is kept for its owner, and damaged it says nothing', async () => {
  const state = temporaryDirectory();
  await (await openLastSeen(createFileState(state))).save(NOON_MS);
  expect((await openLastSeen(createFileState(state))).atMs).toBe(NOON_MS);
  expect(statSync(path.join(state, 'last-seen')).mode & 0o777).toBe(0o600);
  writeFileSync(path.join(state, 'last-seen'), 'noon');
  expect((await openLastSeen(createFileState(state))).atMs).toBeUndefined();
});

/** Keeps when a server was last seen, over its restarts. */
function memoryOfTime(): LastSeen {
  const kept: { atMs: number | undefined; save(nowMs: number): Promise<void> } = {
    atMs: undefined,
    save: async (nowMs) => void (kept.atMs = nowMs),
  };
  return kept;
}

describe.each(KINDS)('sessions over %s', (kind) => {
  const limits = { collectEveryMs: 10 };

  test.each([365 * DAY_MS, -365 * DAY_MS])(
    'a session lives as long when the clock jumps by %i ms',
    async (jumpMs) => {
      const clocks = settableClocks();
      const scene = await openScene(kind, { now: undefined as never, clocks, leaseMs: DAY_MS, limits });
      const session = await openPush(scene, sample(scene));
      const { leaseExpiresAtMs } = (await scene.stores.sessions.get(session.terms.session))!;
      clocks.aheadMs = jumpMs;
      const recordNow = async () => (await scene.stores.sessions.get(session.terms.session))!;
      await until(async () => (await recordNow()).leaseExpiresAtMs === leaseExpiresAtMs + jumpMs);
      expect((await session.putChunk(0)).status).toBe(200);
      await scene.restart();
      expect((await session.resume()).status).toBe(200);
      clocks.elapsedMs += 0.9 * DAY_MS;
      expect((await session.post('POST', 'heartbeat')).status).toBe(200);
      clocks.elapsedMs += 1.1 * DAY_MS;
      await until(async () => (await recordNow()).state === 'expired');
      const answer = await session.post('POST', 'heartbeat');
      expect([answer.status, answer.json.code]).toEqual([410, 'session-expired']);
    },
  );

  test('a session keeps the rest of its lease over a restart with a clock far behind that is set right later', async () => {
    const clocks = settableClocks();
    const lastSeen = memoryOfTime();
    const scene = await openScene(kind, {
      now: undefined as never,
      clocks,
      lastSeen,
      leaseMs: DAY_MS,
      limits,
    });
    const [away, busy] = [await openPush(scene, sample(scene)), await openPush(scene, sample(scene, 'busy'))];
    const recordOf = async ({ terms }: { terms: { session: string } }) =>
      (await scene.stores.sessions.get(terms.session))!;
    const { leaseExpiresAtMs } = await recordOf(away);
    await until(async () => lastSeen.atMs !== undefined);
    await scene.server.drain();
    clocks.aheadMs = -18_250 * DAY_MS;
    await scene.restart();
    expect((await busy.resume()).status).toBe(200);
    await delay(50);
    expect((await recordOf(away)).leaseExpiresAtMs).toBe(leaseExpiresAtMs);
    // Ten minutes went by while nobody knew.
    clocks.aheadMs = 600_000;
    await until(async () => (await recordOf(away)).leaseExpiresAtMs !== leaseExpiresAtMs);
    for (const session of [away, busy]) {
      const left = (await recordOf(session)).leaseExpiresAtMs - clocks.wall();
      expect(left).toBeGreaterThan(0.99 * DAY_MS);
      expect(left).toBeLessThanOrEqual(DAY_MS);
    }
    clocks.elapsedMs += 1.1 * DAY_MS;
    await until(async () => (await recordOf(away)).state === 'expired');
  });

  test('a session survives a start with a clock far ahead, whether it is touched meanwhile or not', async () => {
    const clocks = settableClocks();
    const lastSeen = memoryOfTime();
    const scene = await openScene(kind, {
      now: undefined as never,
      clocks,
      lastSeen,
      leaseMs: DAY_MS,
      limits,
    });
    const [away, busy] = [await openPush(scene, sample(scene)), await openPush(scene, sample(scene, 'busy'))];
    const ended = await openPush(scene, sample(scene, 'ended'));
    const recordOf = async ({ terms }: { terms: { session: string } }) =>
      (await scene.stores.sessions.get(terms.session))!;
    const before = await recordOf(away);
    await until(async () => lastSeen.atMs !== undefined);
    await scene.server.drain();
    const seenMs = lastSeen.atMs;
    clocks.aheadMs = 18_250 * DAY_MS;
    await scene.restart();
    expect((await busy.resume()).status).toBe(200);
    expect((await ended.resume()).status).toBe(200);
    expect((await ended.call('DELETE', '')).status).toBe(200);
    await delay(50);
    expect((await recordOf(away)).state).toBe('suspended');
    expect(lastSeen.atMs).toBe(seenMs);
    clocks.aheadMs = 0;
    clocks.elapsedMs += 60_000;
    await until(async () => (await recordOf(busy)).leaseExpiresAtMs < clocks.wall() + 2 * DAY_MS);
    await until(async () => (await recordOf(ended)).leaseExpiresAtMs < clocks.wall() + 100 * DAY_MS);
    expect((await recordOf(busy)).createdAtMs).toBeLessThanOrEqual(clocks.wall());
    expect(await recordOf(away)).toMatchObject({ leaseExpiresAtMs: before.leaseExpiresAtMs });
    clocks.elapsedMs += 360_000;
    await delay(50);
    expect((await recordOf(away)).state).toBe('suspended');
    clocks.elapsedMs += DAY_MS;
    await until(async () => (await recordOf(away)).state === 'expired');
    await until(async () => (await recordOf(busy)).state === 'expired');
  });

  test('a session ends at its greatest age, however many requests touch it', async () => {
    const scene = await openScene(kind, { leaseMs: DAY_MS, maxAgeMs: 2 * DAY_MS });
    const session = await openPush(scene, sample(scene));
    expect(session.terms.endsInMs).toBeGreaterThan(1.99 * DAY_MS);
    for (const days of [0.9, 1.8]) {
      scene.clock.aheadMs = days * DAY_MS;
      expect((await session.resume()).status).toBe(200);
    }
    expect(session.terms.endsInMs).toBeLessThan(0.21 * DAY_MS);
    scene.clock.aheadMs = 2.01 * DAY_MS;
    expect((await session.putChunk(0)).json.code).toBe('session-expired');
  });
});
