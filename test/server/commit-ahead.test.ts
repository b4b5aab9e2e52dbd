/** A commit that comes while chunks are on their way, and says so. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/server-limits.ts';
import { file, transferOf } from '../suites/staged-transfer.ts';
import {
  ALICE,
  call,
  establish,
  KINDS,
  openPush,
  openScene,
  type HandSession,
  type Kind,
} from './by-hand.ts';

const CHUNK = 65_536;
const MISSING = { code: 'chunks-missing', details: { runs: [2, 1] } };

/** A push of three chunks of which the first two are there. */
async function openAlmost(kind: Kind, commitWaitMs = 5000): Promise<HandSession> {
  const scene = await openScene(kind, { limits: { ...DEFAULT_LIMITS, commitWaitMs } });
  const session = await openPush(scene, transferOf(scene.stores.content, 'file', [file('', 3 * CHUNK)]));
  for (const chunk of [0, 1]) expect((await session.putChunk(chunk)).status).toBe(200);
  return session;
}

describe.each(KINDS)('over %s', (kind) => {
  test('a commit ahead waits for the chunks that are on their way, and publishes', async () => {
    const session = await openAlmost(kind);
    expect(session.terms.commitAwaitsChunks).toBe(true);
    const socket = await session.beginChunk(2, 1000);
    const answered: string[] = [];
    socket.once('data', () => answered.push('chunk'));
    const committed = session.commit({ awaitChunks: true }).then((answer) => {
      answered.push('commit');
      return answer;
    });
    await delay(150);
    expect(answered).toEqual([]);
    socket.write(session.chunkBody(2).subarray(1000));
    expect((await committed).json).toMatchObject({ state: 'committed' });
    expect(answered).toEqual(['chunk', 'commit']);
    expect((await call(session.scene, 'GET', '/file', { token: ALICE })).body).toHaveLength(3 * CHUNK);
    socket.destroy();
    // Whoever asks the same again learns the same: nothing is on its way any more.
    expect((await session.commit({ awaitChunks: true })).json).toMatchObject({ state: 'committed' });
  });

  test('a commit ahead is refused when one of the chunks is wrong, and the session stays open', async () => {
    const session = await openAlmost(kind);
    const socket = await session.beginChunk(2, 1000);
    const refused = session.commit({ awaitChunks: true });
    await delay(50);
    socket.write(Buffer.alloc(session.chunkBody(2).length - 1000));
    expect((await refused).json).toMatchObject(MISSING);
    socket.destroy();
    expect((await session.putChunk(2)).status).toBe(200);
    expect((await session.commit()).json).toMatchObject({ state: 'committed' });
  });

  test('a commit ahead is refused at once when no chunk is on its way', async () => {
    const session = await openAlmost(kind, 3_600_000);
    expect((await session.commit({ awaitChunks: true })).json).toMatchObject(MISSING);
    expect((await session.putChunk(2)).status).toBe(200);
  });

  test('a commit ahead does not wait for ever, and a chunk that comes later is taken', async () => {
    const session = await openAlmost(kind, 200);
    const socket = await session.beginChunk(2, 1000);
    expect((await session.commit({ awaitChunks: true })).json).toMatchObject(MISSING);
    const answer = once(socket, 'data');
    socket.write(session.chunkBody(2).subarray(1000));
    expect(String((await answer)[0])).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
    // A busy machine may take longer than this session waits, and answers 202 meanwhile.
    await expect
      .poll(async () => (await session.commit()).json, { timeout: 60_000 })
      .toMatchObject({ state: 'committed' });
  });

  test('a commit ahead is fenced at once when another client resumes the session', async () => {
    const session = await openAlmost(kind, 3_600_000);
    const socket = await session.beginChunk(2, 1000);
    const fenced = session.commit({ awaitChunks: true });
    await delay(50);
    expect((await session.resume()).status).toBe(200);
    expect((await fenced).json).toMatchObject({ code: 'session-fenced' });
    socket.destroy();
    expect((await session.putChunk(2)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
  });

  test('a commit ahead ends with a session that is aborted meanwhile', async () => {
    const session = await openAlmost(kind);
    const socket = await session.beginChunk(2, 1000);
    const ended = session.commit({ awaitChunks: true });
    await delay(50);
    expect((await session.call('DELETE', '')).status).toBe(200);
    expect((await ended).json).toMatchObject({ code: 'session-aborted' });
    socket.destroy();
    expect((await call(session.scene, 'GET', '/file', { token: ALICE })).status).toBe(404);
  });

  test('a commit ahead is refused for a pull', async () => {
    const scene = await openScene(kind);
    const transfer = transferOf(scene.stores.content, 'file', [file('', CHUNK)]);
    const push = await openPush(scene, transfer);
    await push.putChunk(0);
    await push.commit();
    const pull = await establish(scene, transfer, 'pull');
    expect(pull.terms.commitAwaitsChunks).toBeUndefined();
    await pull.call('GET', 'manifest');
    await pull.sendPlan();
    expect((await pull.commit({ awaitChunks: true })).json).toMatchObject({ code: 'invalid-request' });
  });
});
