/** Chunks that are not what they say: lengths, offsets, digests, numbers. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { directory, file, stream, transferOf } from '../suites/staged-transfer.ts';
import { call, ALICE, openPush, until, type HandSession } from '../server/by-hand.ts';
import { attack, attackSession, openFortress, request, ROOT, type Fortress } from './support/raw.ts';

const BYTES = 65_536;
const BODY_BYTES = BYTES + 8;

async function begin(content: string | number = BYTES): Promise<[Fortress, HandSession]> {
  const fortress = await openFortress();
  const items = [directory(''), file('a', content)];
  return [fortress, await openPush(fortress.scene, transferOf(fortress.scene.stores.content, 'tree', items))];
}

function put(
  fortress: Fortress,
  session: HandSession,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  options: { isEnded?: boolean } = {},
): ReturnType<typeof attack> {
  const target = `${ROOT}sessions/${session.terms.session}/chunks/0`;
  const all = { ...session.headers, 'Content-Length': String(body.length), ...headers };
  return attack(fortress.port, Buffer.concat([Buffer.from(request('PUT', target, all)), body]), options);
}

/** The session goes on as if nothing had been, and the server is unharmed. */
async function expectUsable(fortress: Fortress, session: HandSession): Promise<void> {
  expect((await session.putChunk(0)).status).toBe(200);
  expect((await session.call('DELETE', '')).status).toBe(200);
  await fortress.expectUnharmed();
}

describe('chunk bodies', () => {
  test.each([0, 1, 7, 8, 9, BODY_BYTES - 1, BODY_BYTES + 1, 2 * BODY_BYTES])(
    'a chunk body of %i bytes, where another length belongs, is refused before it is read',
    async (length) => {
      const [fortress, session] = await begin();
      const { statuses, text } = await put(fortress, session, Buffer.alloc(length));
      expect([statuses[0], text.includes('invalid-request')]).toEqual([400, true]);
      expect(await session.bytesThere(0)).toBe(0);
      await expectUsable(fortress, session);
    },
  );

  test('a chunk body that announces 2^60 bytes, or more than a number can hold, is refused at once', async () => {
    const [fortress, session] = await begin();
    for (const length of [String(2 ** 60), '9007199254740993', '18446744073709551615']) {
      const { statuses } = await put(fortress, session, Buffer.alloc(0), { 'Content-Length': length });
      expect(statuses).toEqual([400]);
    }
    await expectUsable(fortress, session);
  });

  test('a chunk body that ends early, by FIN or reset, leaves no more bytes than were sent', async () => {
    const [fortress, session] = await begin();
    const part = session.chunkBody(0).subarray(0, 30_000);
    const { statuses } = await put(
      fortress,
      session,
      part,
      { 'Content-Length': String(BODY_BYTES) },
      { isEnded: true },
    );
    expect(statuses.filter((status) => status < 400)).toEqual([]);
    expect(await session.bytesThere(0)).toBeLessThanOrEqual(30_000);
    const socket = await session.beginChunk(0, 10_000);
    await delay(100);
    socket.resetAndDestroy();
    await until(async () => (await session.bytesThere(0)) === 10_000);
    await expectUsable(fortress, session);
  });

  test('a chunk body that is cut in its digest, or has a wrong digest, is not taken for a chunk', async () => {
    const [fortress, session] = await begin();
    const body = Buffer.from(session.chunkBody(0));
    const cut = await put(
      fortress,
      session,
      body.subarray(0, -3),
      { 'Content-Length': String(BODY_BYTES) },
      { isEnded: true },
    );
    expect(cut.statuses.filter((status) => status < 400)).toEqual([]);
    body[body.length - 1]! ^= 1;
    expect((await put(fortress, session, body)).statuses).toEqual([422]);
    body[body.length - 1]! ^= 1;
    body[17]! ^= 1;
    expect((await put(fortress, session, body)).statuses).toEqual([422]);
    expect(await session.bytesThere(0)).toBe(0);
    expect((await session.commit()).json.code).toBe('chunks-missing');
    await expectUsable(fortress, session);
  });

  test('a chunk body in chunked coding, whose end looks like a cut, is refused', async () => {
    const [fortress, session] = await begin();
    const answer = await attackSession(fortress, session, {
      method: 'PUT',
      route: 'chunks/0',
      headers: { 'Transfer-Encoding': 'chunked' },
      body: '5\r\nhello\r\n0\r\n\r\n',
    });
    expect([answer.statuses[0], answer.text.includes('Content-Length')]).toEqual([400, true]);
    await expectUsable(fortress, session);
  });
});

describe('offsets of chunks', () => {
  test.each([
    '-1',
    '1.5',
    '1e3',
    '0x10',
    '9007199254740993',
    '99999999999',
    '+1',
    ' 1 2',
    '1,1',
    '',
    '٣',
    'NaN',
    '01',
  ])('a chunk with the offset %j is refused', async (offset) => {
    const [fortress, session] = await begin();
    const headers = { 'Cairn-Offset': offset };
    const { statuses } = await put(fortress, session, session.chunkBody(0), headers);
    expect(statuses[0]).toBe(400);
    await expectUsable(fortress, session);
  });

  test('a chunk with two offsets, or one beyond the bytes that are there, is refused', async () => {
    const [fortress, session] = await begin();
    const lines = Array.from({ length: 50 }, (_, index) => `Cairn-Offset: ${index}\r\n`).join('');
    const credentials = Object.entries(session.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `PUT ${ROOT}sessions/${session.terms.session}/chunks/0 HTTP/1.1\r\nHost: a\r\n`;
    const many = `${head}${credentials.join('')}${lines}Content-Length: ${BODY_BYTES}\r\n\r\n`;
    expect((await attack(fortress.port, many)).statuses[0]).toBe(400);
    for (const offset of [1, 100, BYTES - 1, BYTES]) {
      const answer = await session.putChunk(0, offset);
      expect([answer.status, answer.json.details.heldBytes]).toEqual([409, 0]);
    }
    const long = await put(fortress, session, session.chunkBody(0), { 'Cairn-Offset': '1'.repeat(10_000) });
    expect(long.statuses).toEqual([400]);
    await expectUsable(fortress, session);
  });

  test('a chunk that was cut a hundred times, a byte later each time, is completed like any other', async () => {
    const [fortress, session] = await begin(300);
    for (let at = 0; at < 100; at += 1) {
      const socket = await session.beginChunk(0, at + 1);
      socket.destroy();
    }
    const bytesThere = await session.bytesThere(0);
    expect(bytesThere).toBeLessThanOrEqual(100);
    expect((await session.putChunk(0, bytesThere)).status).toBe(200);
    await expectUsable(fortress, session);
  });
});

test.each([
  '-1',
  '1e3',
  '0x1',
  '00',
  '01',
  '1.0',
  '1000000000',
  '99999999999999999999',
  '%31',
  '__proto__',
  ' 1',
  '',
])('a chunk with the number %j is refused for every method', async (chunk) => {
  const [fortress, session] = await begin();
  for (const method of ['PUT', 'HEAD', 'GET']) {
    const route = `chunks/${chunk}`;
    const { statuses } = await attackSession(fortress, session, { method, route }, { quietMs: 20 });
    expect([400, 404, 405]).toContain(statuses[0]);
  }
  await expectUsable(fortress, session);
});

test('a stream takes no chunk far behind its end, none after a short one, and none longer than agreed', async () => {
  const fortress = await openFortress();
  const transfer = transferOf(fortress.scene.stores.content, 'x', [stream(Buffer.alloc(1000, 'x'))]);
  const session = await openPush(fortress.scene, transfer);
  const target = (chunk: number): string => `${ROOT}sessions/${session.terms.session}/chunks/${chunk}`;
  const send = (chunk: number, bytes: number) => {
    const headers = { ...session.headers, 'Content-Length': String(bytes) };
    return attack(fortress.port, request('PUT', target(chunk), headers), { quietMs: 50, isEnded: true });
  };
  expect((await send(0, BODY_BYTES + 1)).statuses[0]).toBe(400);
  expect((await send(2 ** 24, 100)).statuses[0]).toBe(400);
  expect((await send(0, 8)).statuses[0]).toBe(400);
  expect((await session.putChunk(0)).status).toBe(200);
  expect((await send(1, 100)).statuses[0]).toBe(400);
  expect((await session.call('DELETE', '')).status).toBe(200);
  await fortress.expectUnharmed();
});

test('a chunk that is asked of a push, or sent to a session that does not exist, is refused', async () => {
  const [fortress, session] = await begin();
  const pulled = await call(fortress.scene, 'GET', `${ROOT}sessions/${session.terms.session}/chunks/0`, {
    headers: session.headers,
  });
  expect([pulled.status, pulled.json.code]).toEqual([409, 'session-state']);
  const ofAnother = await call(fortress.scene, 'PUT', `${ROOT}sessions/${'A'.repeat(22)}/chunks/0`, {
    headers: session.headers,
    token: ALICE,
    body: session.chunkBody(0),
  });
  expect(ofAnother.status).toBe(404);
  await expectUsable(fortress, session);
});
