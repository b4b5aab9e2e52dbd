/** One of many nodes collects, by the clock of the store; the others let go of what they hold in memory. */
import { expect, test } from 'vitest';
import { openStoreClock } from '../../../src/server/core/store-clock.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { type HandSession, openPush, until } from '../by-hand.ts';
import { at, openNodes, pushed, treeOf } from './nodes-scene.ts';

const DAY_MS = 24 * 3_600_000;

test('sessions expire, and their staging and records are removed, by one of three nodes', async () => {
  const limits = { collectEveryMs: 20 };
  const { nodes, clock, record } = await openNodes({ leaseMs: DAY_MS, limits });
  const [a, b, c] = nodes;
  const sessions: HandSession[] = [];
  for (const [index, node] of [a, b, c, a].entries()) {
    sessions.push(await openPush(node, treeOf(node, `tree-${index}`, 2)));
  }
  clock.aheadMs += DAY_MS;
  const states = async () =>
    Promise.all(sessions.map(async ({ terms }) => (await record(terms.session))?.state));
  await until(async () => (await states()).every((state) => state === 'expired'));
  await until(async () => (await a.stores.content.listStaging()).length === 0);
  clock.aheadMs += DAY_MS;
  await until(async () => (await states()).every((state) => state === undefined));
  const collected = nodes.filter(({ logged }) => logged.some((line) => line.startsWith('session expired')));
  expect(collected.length).toBe(1);
});

test('another node collects once the one that did so is gone', async () => {
  const limits = { collectEveryMs: 20 };
  const { nodes, clock, record } = await openNodes({ leaseMs: DAY_MS, limits });
  const elected = (): number =>
    nodes.findIndex(({ logged }) => logged.some((line) => line.startsWith('this node is elected')));
  await until(async () => elected() >= 0);
  const gone = nodes[elected()]!;
  const [other] = nodes.filter((node) => node !== gone);
  const session = await openPush(other!, treeOf(other!, 'tree', 2));
  await gone.server.kill();
  clock.aheadMs += DAY_MS;
  await until(async () => (await record(session.terms.session))?.state === 'expired');
});

test('a node whose clock is a year ahead ends no session, and changes no time of one', async () => {
  const objects = createMemoryObjects();
  const limits = { collectEveryMs: 20 };
  const start = performance.now();
  const clocks = { wall: () => Date.now() + 365 * DAY_MS, elapsed: () => 12_345 + performance.now() - start };
  const { nodes, record } = await openNodes(
    { now: undefined as never, clocks, leaseMs: DAY_MS, limits },
    objects,
  );
  const [a, b] = nodes;
  const session = await pushed(a, treeOf(a, 'tree', 2));
  const { createdAtMs } = (await record(session.terms.session))!;
  expect(Math.abs(createdAtMs - Date.now())).toBeLessThan(3_600_000);
  await until(async () =>
    nodes.some(({ logged }) => logged.some((line) => line.startsWith('this node is elected'))),
  );
  expect((await at(b, session).commitToEnd()).status).toBe(200);
  expect((await record(session.terms.session))!.createdAtMs).toBe(createdAtMs);
});

test('a session expires by the clock of the store, whatever the clock of the node says', async () => {
  const memory = createMemoryObjects();
  let aheadMs = 0;
  const objects = { ...memory, now: async () => (await memory.now()) + aheadMs };
  const limits = { collectEveryMs: 20 };
  const { nodes, record } = await openNodes({ now: undefined as never, leaseMs: DAY_MS, limits }, objects);
  const session = await openPush(nodes[1], treeOf(nodes[1], 'tree', 2));
  aheadMs = 2 * DAY_MS;
  await until(async () => (await record(session.terms.session))?.state === 'expired');
});

test('the clock of a store goes on between two questions, and follows the store at each, also back', async () => {
  const store = { nowMs: 5_000_000 };
  let elapsedMs = 70;
  const clock = await openStoreClock(
    async () => store.nowMs,
    () => elapsedMs,
  );
  expect(clock.now()).toBe(5_000_000);
  elapsedMs += 1500;
  expect([clock.now(), clock.driftMs(), clock.isJudging()]).toEqual([5_001_500, 0, true]);
  store.nowMs = 4_000_000;
  await clock.ask();
  expect(clock.now()).toBe(4_000_000);
});
