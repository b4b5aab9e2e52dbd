/** One node publishes a session at a time, whichever nodes are asked: by the lease in its record, and by its term. */
import { expect, test } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { establish, openPush, until } from '../by-hand.ts';
import { chunkBytes, directory, file, transferOf } from '../../suites/staged-transfer.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { at, openNodes, publishedEntries, PUBLISHER_LEASE_MS, pushed, treeOf } from './nodes-scene.ts';

/** The key of the object with a staged chunk. */
async function keyOfChunk(objects: ObjectStore, session: string, chunk: number): Promise<string> {
  for await (const { key } of objects.list(`c/${session}/`))
    if (key.slice(key.lastIndexOf('/') + 1).startsWith(`${chunk}-`)) return key;
  throw new Error(`no object has chunk ${chunk}`);
}

test('a commit at another node waits for the node that publishes it, and publishes nothing itself', async () => {
  const { nodes, record } = await openNodes();
  const [a, b, c] = nodes;
  const session = await pushed(a, treeOf(a, 'tree'));
  const { reached, goOn } = a.holdPut();
  const first = session.commit();
  await reached;
  const polled = await at(b, session).commit();
  expect([polled.status, polled.json.state]).toEqual([202, 'committing']);
  expect((await record(session.terms.session))?.publisher).toMatchObject({ term: 1, begun: true });
  goOn();
  expect((await at(c, session).commitToEnd()).status).toBe(200);
  expect([200, 202]).toContain((await first).status);
  expect([b.published, c.published]).toEqual([[], []]);
  expect(await publishedEntries(c, session.transfer)).toBe(41);
});

test('a commit at three nodes at once is published by one of them, and answered by all', async () => {
  const { nodes } = await openNodes();
  const [a] = nodes;
  for (let round = 0; round < 10; round += 1) {
    const session = await pushed(a, treeOf(a, `tree-${round}`, 3));
    const answers = await Promise.all(nodes.map((node) => at(node, session).commitToEnd()));
    expect(answers.map(({ status, json }) => [status, json.state])).toEqual(
      Array.from({ length: 3 }, () => [200, 'committed']),
    );
    expect(nodes.map(({ published }) => published.length).toSorted((x, y) => x - y)).toEqual([0, 0, 1]);
    for (const { published } of nodes) published.length = 0;
  }
});

test('a pull that is committed at three nodes at once is committed for all of them', async () => {
  const { nodes } = await openNodes();
  const [a] = nodes;
  const transfer = treeOf(a, 'tree', 3);
  await (await pushed(a, transfer)).commitToEnd();
  const session = await establish(a, transfer, 'pull');
  await session.call('GET', 'manifest');
  await session.sendPlan();
  const answers = await Promise.all(nodes.map((node) => at(node, session).commitToEnd()));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
});

test('a commit whose node has died is published by the next node once the lease is over', async () => {
  const { nodes, clock, record } = await openNodes();
  const [a, b] = nodes;
  const session = await pushed(a, treeOf(a, 'tree'));
  const { reached } = a.holdPut();
  void session.commit().catch(() => undefined);
  await reached;
  await a.server.kill();
  expect((await at(b, session).commit()).status).toBe(202);
  expect(b.published).toEqual([]);
  clock.aheadMs += PUBLISHER_LEASE_MS;
  expect((await at(b, session).commitToEnd()).status).toBe(200);
  expect(await publishedEntries(b, session.transfer)).toBe(41);
  expect((await record(session.terms.session))?.publisher).toMatchObject({ term: 2, untilMs: 0 });
  expect(b.logged.some((line) => line.startsWith('publishing goes on where it was interrupted'))).toBe(true);
});

test('a node whose publishing was taken over changes nothing more, even with a put under way', async () => {
  const { nodes, clock } = await openNodes();
  const [a, b, c] = nodes;
  const session = await pushed(a, treeOf(a, 'tree'));
  const { reached, goOn } = a.holdPut();
  const first = session.commit();
  await reached;
  const before = a.published.length;
  clock.aheadMs += PUBLISHER_LEASE_MS;
  expect((await at(b, session).commitToEnd()).status).toBe(200);
  const newer = transferOf(c.stores.content, 'tree', [
    directory(''),
    ...Array.from({ length: 40 }, (_, index) => file(`file-${index}`, `a later version of ${index}`)),
  ]);
  expect((await (await pushed(c, newer)).commitToEnd()).status).toBe(200);
  goOn();
  expect([200, 202]).toContain((await first).status);
  await until(async () => a.logged.some((line) => line.startsWith('another node has taken over a commit')));
  expect(a.published.length).toBe(before);
  expect(await publishedEntries(a, newer)).toBe(41);
});

test('a commit that failed at one node fails for the same reason at the next one', async () => {
  const { nodes } = await openNodes();
  const [a, b] = nodes;
  await (await pushed(a, treeOf(a, 'in/the-way', 1))).commitToEnd();
  const session = await pushed(
    a,
    transferOf(a.stores.content, 'in', [directory(''), file('the-way', 'a file')]),
  );
  for (const node of [a, b, a]) {
    const answer = await at(node, session).commitToEnd();
    expect([answer.status, answer.json.code]).toEqual([409, 'is-directory']);
  }
  expect((await at(b, session).commitToEnd({ forceReplace: true })).status).toBe(200);
});

test('a commit at one node waits for a chunk that is on its way to another one', async () => {
  const { nodes } = await openNodes({ limits: { commitWaitMs: 5000 } });
  const [a, b] = nodes;
  const session = await openPush(a, transferOf(a.stores.content, 'file', [file('', 200_000)]));
  for (const chunk of [0, 1, 2]) await session.putChunk(chunk);
  // The second node has opened the chunks before the last one comes.
  expect((await at(b, session).call('GET', 'checkpoint')).status).toBe(200);
  const socket = await session.beginChunk(3, 1000);
  const committing = at(b, session).commit({ awaitChunks: true });
  await delay(150);
  socket.write(session.chunkBody(3).subarray(1000));
  expect((await committing).json).toMatchObject({ state: 'committed' });
  socket.destroy();
});

test('a node that takes over publishes no chunk that came after the commit with other bytes', async () => {
  const { nodes, clock, objects } = await openNodes();
  const [a, b] = nodes;
  const session = await pushed(a, treeOf(a, 'tree'));
  const { reached } = a.holdPut();
  session.commit().catch(() => undefined);
  await reached;
  await a.server.kill();
  const key = await keyOfChunk(objects, session.terms.session, 0);
  const other = key.replace(/-[0-9a-f]+-[0-9a-f]+$/, `-${'0'.repeat(16)}-ffffffff`);
  await objects.put(other, Buffer.alloc(chunkBytes(session.transfer, 0).length));
  clock.aheadMs += PUBLISHER_LEASE_MS;
  expect((await at(b, session).commitToEnd()).json.code).toBe('digest-mismatch');
  expect(await publishedEntries(b, session.transfer)).toBe(0);
  await at(b, session).putChunk(0);
  expect((await at(b, session).commitToEnd()).status).toBe(200);
  expect(await publishedEntries(b, session.transfer)).toBe(41);
});
