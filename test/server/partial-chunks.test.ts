import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { expectTree } from '../suites/expected-tree.ts';
import { directory, file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { openPush, openScene, until, type HandSession, type Scene } from './by-hand.ts';

const SIZE = 64 * 1024;

function sample(scene: Scene): SampleTransfer {
  return transferOf(scene.stores.content, 'in', [directory(''), file('a', 3 * SIZE), file('b', 'small')]);
}

/** Sends the first bytes of chunk 1, and cuts the connection. */
async function sendHalf(session: HandSession, bytes = 30_000): Promise<void> {
  const socket = await session.beginChunk(1, bytes);
  await until(async () => (await session.call('GET', 'checkpoint')).json.held.length > 0);
  socket.destroy();
  expect(await session.bytesThere(1)).toBe(bytes);
}

async function checkpointOf(
  session: HandSession,
): Promise<{ runs: number[]; partialChunks: [number, number][] }> {
  const { chunks, held } = (await session.call('GET', 'checkpoint')).json;
  return { runs: chunks.runs, partialChunks: held };
}

/** Sends the rest of everything and commits. */
async function finish(session: HandSession): Promise<void> {
  const { runs, partialChunks } = await checkpointOf(session);
  const offsets = new Map(partialChunks);
  for (const chunk of [0, 1, 2, 3]) {
    if (runs.length > 0 && chunk === 0) continue;
    expect((await session.putChunk(chunk, offsets.get(chunk) ?? 0)).status).toBe(200);
  }
  expect((await session.commit()).status).toBe(200);
  await expectTree(session.scene.stores.content, 'in', session.transfer.items);
}

test('a partial chunk becomes durable by itself, and outlives a server that is killed', async () => {
  const scene = await openScene('local disk');
  const session = await openPush(scene, sample(scene));
  const socket = await session.beginChunk(1, 30_000);
  await delay(900);
  await scene.restart('kill');
  socket.destroy();
  expect((await session.putChunk(1, 30_000)).json.code).toBe('session-suspended');
  await session.resume();
  expect(await checkpointOf(session)).toEqual({ runs: [], partialChunks: [[1, 30_000]] });
  expect(await session.bytesThere(1)).toBe(30_000);
  await finish(session);
});

test('a killed server loses the bytes that no sync point covered, and no others', async () => {
  const scene = await openScene('local disk', { sync: 'close' });
  const session = await openPush(scene, sample(scene));
  await sendHalf(session); // the checkpoint that it reads is a sync point
  const socket = await session.beginChunk(2, 40_000);
  await delay(900);
  await scene.restart('kill');
  socket.destroy();
  await session.resume();
  expect(await checkpointOf(session)).toEqual({ runs: [], partialChunks: [[1, 30_000]] });
  await finish(session);
});

test.each(['drain', 'suspend'] as const)('a partial chunk outlives a %s', async (how) => {
  const scene = await openScene('local disk', { sync: 'close' });
  const session = await openPush(scene, sample(scene));
  await session.putChunk(0);
  const socket = await session.beginChunk(1, 30_000);
  await delay(100);
  if (how === 'suspend') {
    expect((await session.post('POST', 'suspend')).status).toBe(200);
    await scene.restart('kill');
  } else {
    await scene.server.drain({ graceMs: 100 });
    await scene.restart('drain');
  }
  socket.destroy();
  await session.resume();
  expect(await checkpointOf(session)).toEqual({ runs: [0, 1], partialChunks: [[1, 30_000]] });
  await finish(session);
});

test('an idle session leaves memory with a partial chunk, and the same epoch finds it again', async () => {
  const limits = { collectEveryMs: 20, idleSessionMs: 50 };
  const scene = await openScene('local disk', { sync: 'close', limits });
  const session = await openPush(scene, sample(scene));
  const before: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const point = (await session.putChunk(0)).json.syncPoint as number;
    const { durableSyncPoint } = (await session.post('POST', 'sync')).json;
    expect(durableSyncPoint).toBeGreaterThanOrEqual(point);
    before.push(durableSyncPoint);
  }
  const last = (await session.putChunk(2)).json.syncPoint as number;
  const socket = await session.beginChunk(1, 30_000);
  await delay(100);
  socket.destroy();
  await delay(400);
  expect(await session.bytesThere(1)).toBe(30_000);
  expect((await session.putChunk(1, 30_000)).status).toBe(200);
  // What was told of sync points stays true: who waits for this one must not wait for ever.
  const { syncPoint, durableSyncPoint } = (await session.post('POST', 'sync')).json;
  expect(last).toBeGreaterThan(before.at(-1)!);
  expect(durableSyncPoint).toBeGreaterThan(last);
  expect(syncPoint).toBeGreaterThan(durableSyncPoint);
  expect(session.terms.epoch).toBe(1);
  await session.putChunk(3);
  expect((await session.commit()).status).toBe(200);
});

test("a partial chunk whose bytes are not the sender's costs one wrong digest, and no more", async () => {
  const scene = await openScene('local disk');
  const session = await openPush(scene, sample(scene));
  await sendHalf(session);
  const { bytes } = session.transfer.items.find(({ entry }) => entry.path === 'a')!;
  bytes[SIZE + 5]! ^= 1; // the file changes at its sender, who goes on where the partial chunk ends
  await scene.restart('kill');
  await session.resume();
  expect((await session.putChunk(1, 30_000)).json.code).toBe('chunk-digest-mismatch');
  expect(await session.bytesThere(1)).toBe(0);
  await scene.restart('kill');
  await session.resume();
  expect(await checkpointOf(session)).toEqual({ runs: [], partialChunks: [] });
  await finish(session);
});
