/** What is told of a sync point that failed: found by the simulation. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { directory, file, stream, transferOf, type Item } from '../suites/staged-transfer.ts';
import {
  intercept,
  interceptChunks,
  openPush,
  openScene,
  until,
  type HandSession,
  type Scene,
} from './by-hand.ts';

/** A disk as the test wants it, and how often somebody was let wait. */
interface Disk {
  isBroken: boolean;
  /** Whether it takes for ever to tell how full it is. */
  isSlow: boolean;
  waiting: number;
}

const THREE_CHUNKS = file('a', 3 * 65_536);
const STREAM = stream(Buffer.alloc(2 * 65_536, 'x'));

/** A server whose disk fails from a moment on that the test chooses. */
async function openFailing(
  items: readonly Item[] = [directory(''), THREE_CHUNKS],
): Promise<{ scene: Scene; session: HandSession; disk: Disk }> {
  const disk: Disk = { isBroken: false, isSlow: false, waiting: 0 };
  const space: ContentStore['space'] = async () => {
    if (disk.isSlow) disk.waiting += 1;
    while (disk.isSlow) await delay(5);
    return undefined;
  };
  const scene = await openScene('local disk', {
    wrap: (content) =>
      interceptChunks(intercept(content, { space }), (chunks) => ({
        sync: async () => {
          if (disk.isBroken) throw new CairnError('storage-io', 'the disk says EIO');
          await chunks.sync();
        },
      })),
  });
  const transfer = transferOf(scene.stores.content, 'in', items);
  return { scene, session: await openPush(scene, transfer), disk };
}

test('a chunk that is on its way when a sync point fails has to be sent again, in a new epoch', async () => {
  const { session, disk } = await openFailing();
  await session.putChunk(0);
  const socket = await session.beginChunk(1, 100);
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes.toString()));
  await delay(300);
  disk.isBroken = true;
  expect((await session.post('POST', 'sync')).status).toBe(500);
  socket.end(session.chunkBody(1).subarray(100));
  while (!answer.includes('session-')) await delay(5);
  expect(answer).toContain('session-suspended');
});

test('a session whose sync point failed takes no chunk, even if that cannot be recorded', async () => {
  const { scene, session, disk } = await openFailing();
  await session.putChunk(0);
  disk.isBroken = true;
  const { replace } = scene.stores.sessions;
  scene.stores.sessions.replace = async () => {
    throw new CairnError('storage-full', 'the disk is full');
  };
  expect((await session.post('POST', 'sync')).json.code).toBe('storage-full');
  disk.isBroken = false;
  // Else a second opening would number its sync points from the beginning, and call the lost chunk durable.
  expect((await session.putChunk(1)).json.code).toBe('session-suspended');
  scene.stores.sessions.replace = replace;
  await session.resume();
  expect((await session.call('GET', 'checkpoint')).json.chunks.runs).toEqual([]);
});

test('a chunk of a stream that waits for room when a sync point fails has to be sent again, in a new epoch', async () => {
  const { session, disk } = await openFailing([STREAM]);
  await session.putChunk(0);
  disk.isSlow = true;
  const chunk = session.putChunk(1);
  await until(async () => disk.waiting > 0);
  disk.isBroken = true;
  expect((await session.post('POST', 'sync')).status).toBe(500);
  disk.isSlow = false;
  expect((await chunk).json.code).toBe('session-suspended');
});

test('an older request for a chunk ends when a newer one takes it, and has to send it again', async () => {
  const { session } = await openFailing();
  const socket = await session.beginChunk(1, 100);
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes.toString()));
  await delay(200);
  expect((await session.putChunk(1)).status).toBe(200);
  while (!answer.includes('chunk-')) await delay(5);
  expect(answer).toContain('chunk-offset-mismatch');
});
