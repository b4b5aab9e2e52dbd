import { describe, expect, test } from 'vitest';
import { createSteadyClock } from '../../src/server/clock.ts';
import { directory, file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { KINDS, openPush, openScene, until, type Scene } from './by-hand.ts';

const DAY_MS = 24 * 3600 * 1000;

function sample(scene: Scene): SampleTransfer {
  return transferOf(scene.stores.content, 'in', [directory(''), file('a', 3 * 65_536)]);
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
    expect(clock.isFollowing()).toBe(true);
  });
  expect(clock.isFollowing()).toBe(false);
  expect(clock.now()).toBe(clocks.wall());
});

describe.each(KINDS)('a session over %s', (kind) => {
  const limits = { collectEveryMs: 10 };

  test.each([365 * DAY_MS, -365 * DAY_MS])('lives as long when the clock jumps by %i ms', async (jumpMs) => {
    const clocks = settableClocks();
    const scene = await openScene(kind, { now: undefined as never, clocks, leaseMs: DAY_MS, limits });
    const session = await openPush(scene, sample(scene));
    const { leaseExpiresAtMs } = (await scene.stores.sessions.get(session.grant.session))!;
    clocks.aheadMs = jumpMs;
    const recordNow = async () => (await scene.stores.sessions.get(session.grant.session))!;
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
  });

  test('ends at its greatest age, however often it is touched', async () => {
    const scene = await openScene(kind, { leaseMs: DAY_MS, maxAgeMs: 2 * DAY_MS });
    const session = await openPush(scene, sample(scene));
    expect(session.grant.endsInMs).toBeGreaterThan(1.99 * DAY_MS);
    for (const days of [0.9, 1.8]) {
      scene.clock.aheadMs = days * DAY_MS;
      expect((await session.resume()).status).toBe(200);
    }
    expect(session.grant.endsInMs).toBeLessThan(0.21 * DAY_MS);
    scene.clock.aheadMs = 2.01 * DAY_MS;
    expect((await session.putChunk(0)).json.code).toBe('session-expired');
  });
});
