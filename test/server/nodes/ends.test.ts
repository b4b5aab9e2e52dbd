/** Sessions that are aborted, or whose lease ends, at one node while another one publishes them: wholly there, or not at all. */
import { expect, test } from 'vitest';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { directory, file, transferOf } from '../../suites/staged-transfer.ts';
import { ALICE, call, until } from '../by-hand.ts';
import {
  at,
  openNodes,
  publishedEntries,
  PUBLISHER_LEASE_MS,
  pushed,
  treeOf,
  type Nodes,
} from './nodes-scene.ts';
import type { HandSession } from '../by-hand.ts';

/** A push whose node dies right before or after the moment that publishes its tree. */
async function leftInTheMiddle(scene: Nodes, when: 'before' | 'after'): Promise<HandSession> {
  const [a] = scene.nodes;
  const session = await pushed(a, treeOf(a, 'tree'));
  const { reached } = a.holdPut(when);
  session.commit().catch(() => undefined);
  await reached;
  await a.server.kill();
  return session;
}

test('an abort is refused while another node publishes, and the tree is published whole', async () => {
  const { nodes } = await openNodes();
  const [a, b] = nodes;
  const session = await pushed(a, treeOf(a, 'tree'));
  const { reached, goOn } = a.holdPut();
  const committing = session.commit();
  await reached;
  const refused = await at(b, session).call('DELETE', '');
  expect([refused.status, refused.json.code]).toEqual([409, 'session-state']);
  const target = `/.cairn/v1/sessions/${session.terms.session}`;
  const refusedByToken = await call(b, 'DELETE', target, { token: ALICE });
  expect([refusedByToken.status, refusedByToken.json.code]).toEqual([409, 'session-state']);
  goOn();
  await committing;
  expect((await at(b, session).commitToEnd()).status).toBe(200);
  expect(await publishedEntries(b, session.transfer)).toBe(41);
});

test.each(['before', 'after'] as const)(
  'an abort of a session whose node died right %s its tree was published finishes the session',
  async (when) => {
    const scene = await openNodes();
    const [, b] = scene.nodes;
    const session = await leftInTheMiddle(scene, when);
    scene.clock.aheadMs += PUBLISHER_LEASE_MS;
    expect(await publishedEntries(b, session.transfer)).toBe(when === 'before' ? 0 : 41);
    expect((await at(b, session).call('DELETE', '')).json.code).toBe('session-state');
    await until(async () => (await scene.record(session.terms.session))?.state === 'committed');
    expect(await publishedEntries(b, session.transfer)).toBe(41);
    await until(async () => (await b.stores.content.listStaging()).length === 0);
  },
);

test('a commit that failed before it published anything can be aborted at any node', async () => {
  const { nodes } = await openNodes();
  const [a, b] = nodes;
  await (await pushed(a, treeOf(a, 'in/the-way', 1))).commitToEnd();
  const items = [directory(''), file('a', 'another'), file('the-way', 'a file')];
  const session = await pushed(a, transferOf(a.stores.content, 'in', items));
  expect((await session.commitToEnd()).json.code).toBe('is-directory');
  expect((await at(b, session).call('DELETE', '')).status).toBe(200);
  expect(await b.stores.content.lookup(['in/a'])).toEqual([undefined]);
  expect(await b.stores.content.listStaging()).toEqual([]);
});

test('aborts and commits at different nodes end one way, and not both', async () => {
  const scene = await openNodes();
  const [a, b, c] = scene.nodes;
  const outcomes = new Set<string>();
  for (let round = 0; round < 40; round += 1) {
    const session = await pushed(a, treeOf(a, `tree-${round}`, 3));
    const first = round % 2 === 0 ? at(b, session).call('DELETE', '') : undefined;
    const committing = at(c, session).commit();
    for (let turn = 0; turn < round; turn += 1) await new Promise(setImmediate);
    const [aborted, committed] = await Promise.all([first ?? at(b, session).call('DELETE', ''), committing]);
    const wasAborted = aborted.status === 200;
    expect([committed.status, committed.json.code]).toEqual(
      wasAborted ? [410, 'session-aborted'] : [200, undefined],
    );
    expect(await publishedEntries(a, session.transfer)).toBe(wasAborted ? 0 : 4);
    outcomes.add(wasAborted ? 'aborted' : 'committed');
  }
  expect(await a.stores.content.listStaging()).toEqual([]);
  expect([...outcomes].toSorted()).toEqual(['aborted', 'committed']);
});

test('a session whose lease ends while another node publishes it does not expire', async () => {
  const leaseMs = PUBLISHER_LEASE_MS / 2;
  const scene = await openNodes({ leaseMs });
  const [a, b] = scene.nodes;
  const session = await pushed(a, treeOf(a, 'tree'));
  const { reached, goOn } = a.holdPut();
  const committing = session.commit();
  await reached;
  scene.clock.aheadMs += leaseMs;
  expect((await at(b, session).commit()).json.state).toBe('committing');
  goOn();
  await committing;
  expect((await at(b, session).commitToEnd()).status).toBe(200);
  expect(await publishedEntries(b, session.transfer)).toBe(41);
});

test.each(['before', 'after'] as const)(
  'a session whose node died right %s its tree was published is finished by another node',
  async (when) => {
    const limits = { collectEveryMs: 20 };
    const scene = await openNodes({ leaseMs: PUBLISHER_LEASE_MS, limits });
    const [, b] = scene.nodes;
    const session = await leftInTheMiddle(scene, when);
    scene.clock.aheadMs += PUBLISHER_LEASE_MS;
    await until(async () => (await scene.record(session.terms.session))?.state === 'committed');
    expect(await publishedEntries(b, session.transfer)).toBe(41);
  },
);

test.each(['GET checkpoint', 'PUT chunks/0', 'POST commit'] as const)(
  '%s is told that its session was aborted, where another node frees its documents before they are read',
  async (request) => {
    const objects = createMemoryObjects();
    let beforeRead = async (): Promise<void> => undefined;
    const get: ObjectStore['get'] = async (key, options) => {
      if (key.endsWith('/doc/manifest')) await beforeRead();
      return objects.get(key, options);
    };
    const { nodes } = await openNodes({}, { ...objects, get });
    const [a, b, c] = nodes;
    const session = await pushed(a, treeOf(a, 'tree'));
    beforeRead = async () => {
      beforeRead = async () => undefined;
      expect((await at(b, session).call('DELETE', '')).status).toBe(200);
    };
    const there = at(c, session);
    const asked = {
      'GET checkpoint': () => there.call('GET', 'checkpoint'),
      'PUT chunks/0': () => there.putChunk(0),
      'POST commit': () => there.commit(),
    };
    const { status, json } = await asked[request]();
    expect([status, json.code]).toEqual([410, 'session-aborted']);
  },
);
