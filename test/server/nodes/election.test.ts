/** One of many nodes is elected, by a lease document: never two at once, and never none for longer than a lease. */
import { expect, test } from 'vitest';
import { createElection, type Election } from '../../../src/server/core/election.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';

const LEASE_MS = 1000;
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function openElections() {
  const state = createObjectState(createMemoryObjects());
  const clock = { nowMs: 1_000_000 };
  const electionOf = (instanceId: string): Election =>
    createElection({ state, key: 'l/x', instanceId, leaseMs: LEASE_MS, now: () => clock.nowMs, log });
  const lease = async (): Promise<unknown> => JSON.parse((await state.get('l/x'))!.text);
  return { state, clock, lease, elections: [electionOf('a'), electionOf('b'), electionOf('c')] as const };
}

test('one of three nodes that ask at once is elected, and stays elected while it renews its lease', async () => {
  const { clock, elections, lease } = openElections();
  const outcomes = await Promise.all(elections.map((election) => election.hold()));
  expect(outcomes.filter(Boolean)).toEqual([true]);
  expect(elections.map((election) => election.isHeld())).toEqual(outcomes);
  const elected = elections[outcomes.indexOf(true)]!;
  for (let turn = 0; turn < 5; turn += 1) {
    clock.nowMs += LEASE_MS - 1;
    expect(await elected.hold()).toBe(true);
    const others = elections.filter((each) => each !== elected);
    expect(await Promise.all(others.map((each) => each.hold()))).toEqual([false, false]);
  }
  expect(await lease()).toMatchObject({ term: 1 });
});

test('a lease that is over is taken by another node in a new term, and the first node knows', async () => {
  const { clock, elections, lease } = openElections();
  const [a, b] = elections;
  await a.hold();
  clock.nowMs += LEASE_MS;
  expect(a.isHeld()).toBe(false);
  expect(await b.hold()).toBe(true);
  expect(await lease()).toMatchObject({ node: 'b', term: 2 });
  expect([await a.hold(), a.isHeld()]).toEqual([false, false]);
});

test('a node that resigns leaves the lease to the next node that asks', async () => {
  const { elections } = openElections();
  const [a, b] = elections;
  await a.hold();
  await a.resign();
  expect([a.isHeld(), await b.hold()]).toEqual([false, true]);
  // Who does not hold it takes it from nobody.
  await a.resign();
  expect(b.isHeld()).toBe(true);
});

test('a lease document that is damaged is written anew', async () => {
  const { state, elections } = openElections();
  await state.compareAndSet('l/x', null, 'no lease');
  expect(await elections[0].hold()).toBe(true);
});
