import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { directory, file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { expectTree } from '../suites/expected-tree.ts';
import { ENCODINGS, textOf } from '../support/encodings.ts';
import {
  ALICE,
  call,
  establish,
  establishRequest,
  HandSession,
  KINDS,
  openPush,
  openScene,
  until,
  type Answer,
  type Scene,
} from './by-hand.ts';

const SIZE = 64 * 1024;
const TEXT = textOf(SIZE).toString('latin1');

function sample(scene: Scene): SampleTransfer {
  return transferOf(scene.stores.content, 'in', [directory(''), file('a', TEXT), file('b', SIZE)]);
}

/** Sends a chunk in gzip. */
function putZipped(
  session: HandSession,
  chunk: number,
  { offset = 0, headers = {} }: { offset?: number; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const body = session.chunkBody(chunk, offset);
  return session.call('PUT', `chunks/${chunk}`, {
    body: gzipSync(body),
    headers: {
      'content-encoding': 'gzip',
      'cairn-decoded-length': String(body.length),
      'cairn-offset': String(offset),
      ...headers,
    },
  });
}

describe.each(KINDS)('over %s', (kind) => {
  test('a server agrees on the encodings that both sides have, in the order of the client', async () => {
    const scene = await openScene(kind);
    const agreed = async (encodings: unknown): Promise<unknown> =>
      (await establish(scene, sample(scene), 'push', { encodings } as object)).terms.encodings;
    expect(await agreed(['br', 'gzip', 'gzip'])).toEqual(['gzip']);
    expect(await agreed(['gzip', 'zstd'])).toEqual(
      ['gzip', 'zstd'].filter((name) => ENCODINGS.some((own) => own === name)),
    );
    expect(await agreed([])).toBeUndefined();
    expect(await agreed(['br'])).toBeUndefined();
    expect(await agreed(undefined)).toBeUndefined();
  });

  test('a server agrees on encodings again at each resume', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene), { encodings: ['gzip'] } as object);
    expect((await putZipped(session, 0)).status).toBe(200);
    await session.resume();
    expect(session.terms.encodings).toBeUndefined();
    expect((await putZipped(session, 0)).json.code).toBe('invalid-request');
    await session.resume(ALICE, { encodings: ['gzip'] } as object);
    expect(session.terms.encodings).toEqual(['gzip']);
    expect((await putZipped(session, 0)).status).toBe(200);
    await session.putChunk(1);
    expect((await session.commit()).status).toBe(200);
    await expectTree(scene.stores.content, 'in', session.transfer.items);
  });
});

test('a server takes the rest of a chunk in an encoding, and again a chunk that it has', async () => {
  const scene = await openScene('local disk');
  const session = await openPush(scene, sample(scene), { encodings: ['gzip'] } as object);
  const socket = await session.beginChunk(0, 30_000);
  await delay(100);
  socket.destroy();
  await until(async () => (await session.bytesThere(0)) === 30_000);
  expect((await putZipped(session, 0, { offset: 30_000 })).status).toBe(200);
  expect((await putZipped(session, 0)).status).toBe(200);
  expect(await session.bytesThere(0)).toBe(SIZE);
  await session.putChunk(1);
  expect((await session.commit()).status).toBe(200);
});

async function openPull(scene: Scene, wishes: object): Promise<HandSession> {
  const pushed = await openPush(scene, sample(scene));
  for (const chunk of [0, 1]) await pushed.putChunk(chunk);
  await pushed.commit();
  const body = JSON.stringify({ ...establishRequest(pushed.transfer, 'pull', '/in'), ...wishes });
  const { json } = await call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body });
  const session = new HandSession(scene, pushed.transfer, json);
  await session.call('GET', 'manifest');
  await session.sendPlan();
  return session;
}

describe('pulls', () => {
  const get = (session: HandSession, chunk: number, accept: string, offset = 0): Promise<Answer> =>
    session.call('GET', `chunks/${chunk}`, {
      headers: { 'accept-encoding': accept, 'cairn-offset': String(offset) },
    });

  test('a chunk of a pull that shrinks is encoded as the client asks, and another one is plain', async () => {
    const scene = await openScene('local disk');
    const session = await openPull(scene, { encodings: ['gzip'] });
    expect(session.terms.encodings).toEqual(['gzip']);
    for (const offset of [0, 1000]) {
      const body = session.chunkBody(0, offset);
      for (const accept of ['gzip', 'br, gzip']) {
        const { headers, body: got } = await get(session, 0, accept, offset);
        expect(headers).toMatchObject({
          'content-encoding': 'gzip',
          'cache-control': 'no-store, no-transform',
          'cairn-decoded-length': String(body.length),
          'content-length': String(got.length),
        });
        expect(got.length).toBeLessThan(body.length / 2);
        expect(gunzipSync(got).equals(body)).toBe(true);
      }
    }
    for (const [chunk, accept] of [
      [1, 'gzip'],
      [0, 'identity'],
      [0, 'br'],
      [0, 'gzip;q=0'],
      [0, ''],
    ] as const) {
      const { headers, body } = await get(session, chunk, accept);
      expect([headers['content-encoding'], body.equals(session.chunkBody(chunk))]).toEqual([undefined, true]);
    }
    // Only the digest is left: nothing to compress.
    expect((await get(session, 0, 'gzip', SIZE)).headers['content-encoding']).toBeUndefined();
  });

  test('a pull of an older client, which agreed on no encoding, gets plain chunks, whatever it accepts', async () => {
    const scene = await openScene('local disk');
    const session = await openPull(scene, {});
    const { headers, body } = await get(session, 0, 'gzip, deflate, zstd');
    expect([headers['content-encoding'], body.equals(session.chunkBody(0))]).toEqual([undefined, true]);
  });
});
