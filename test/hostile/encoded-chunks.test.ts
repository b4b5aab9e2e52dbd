/** Chunks in encodings that are not what they say: bombs, garbage, lengths, names. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { pullStream } from '../../src/client/pull-stream.ts';
import { pull } from '../../src/client/pull.ts';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { openPush, until, type HandSession } from '../server/by-hand.ts';
import { textOf } from '../support/encodings.ts';
import { CHUNK, chunkOf, commits, endOf, grant, json, setTrap, type Trap } from './support/liar.ts';
import { attack, openFortress, request, ROOT, type Fortress } from './support/raw.ts';

const MIB = 2 ** 20;
const BYTES = 65_536;
const DECODED = BYTES + 8;
const TEXT = textOf(BYTES).toString('latin1');

async function begin(wishes: object = { encodings: ['gzip'] }): Promise<[Fortress, HandSession]> {
  const fortress = await openFortress();
  const items = [directory(''), file('a', TEXT)];
  const transfer = transferOf(fortress.scene.stores.content, 'tree', items);
  return [fortress, await openPush(fortress.scene, transfer, wishes)];
}

function put(
  fortress: Fortress,
  session: HandSession,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  options: { isEnded?: boolean } = {},
): ReturnType<typeof attack> {
  const target = `${ROOT}sessions/${session.terms.session}/chunks/0`;
  const all = {
    ...session.headers,
    'Content-Length': String(body.length),
    'Content-Encoding': 'gzip',
    'Cairn-Decoded-Length': String(DECODED),
    ...headers,
  };
  return attack(fortress.port, Buffer.concat([Buffer.from(request('PUT', target, all)), body]), options);
}

async function expectUsable(fortress: Fortress, session: HandSession): Promise<void> {
  const { statuses } = await put(fortress, session, gzipSync(session.chunkBody(0)));
  expect(statuses).toEqual([200]);
  expect((await session.call('DELETE', '')).status).toBe(200);
  await fortress.expectUnharmed();
}

describe('servers', () => {
  test.each(['zstd', 'br', 'deflate', 'gzip, gzip', 'GZIP', 'x'.repeat(5000)])(
    'a server refuses a chunk in an encoding that was not agreed (%s) before it reads it',
    async (name) => {
      const [fortress, session] = await begin();
      const { statuses, text } = await put(fortress, session, gzipSync(session.chunkBody(0)), {
        'Content-Encoding': name,
      });
      expect([statuses[0], text.includes('not agreed')]).toEqual([400, true]);
      await expectUsable(fortress, session);
    },
  );

  test('a server refuses an encoded chunk where no encoding was agreed', async () => {
    const [fortress, session] = await begin({});
    const { statuses, text } = await put(fortress, session, gzipSync(session.chunkBody(0)));
    expect([statuses[0], text.includes('not agreed')]).toEqual([400, true]);
    await fortress.expectUnharmed();
  });

  test.each(['', '0', '-1', '1e5', String(DECODED - 1), String(DECODED + 1), String(2 ** 60), '10'])(
    'a server refuses an encoded chunk with a decoded length of "%s"',
    async (length) => {
      const [fortress, session] = await begin();
      const { statuses, text } = await put(fortress, session, gzipSync(session.chunkBody(0)), {
        'Cairn-Decoded-Length': length,
      });
      expect([statuses[0], text.includes('invalid-request')]).toEqual([400, true]);
      await expectUsable(fortress, session);
    },
  );

  test('a server refuses an encoded chunk that is not smaller than its bytes, and garbage in chunked coding', async () => {
    const [fortress, session] = await begin();
    const stored = gzipSync(session.chunkBody(0), { level: 0 });
    expect((await put(fortress, session, stored)).statuses).toEqual([400]);
    const chunked = { 'Content-Length': '', 'Transfer-Encoding': 'chunked' };
    const { 'Content-Length': _none, ...headers } = { ...session.headers, ...chunked };
    const target = `${ROOT}sessions/${session.terms.session}/chunks/0`;
    const all = { ...headers, 'Content-Encoding': 'gzip', 'Cairn-Decoded-Length': String(DECODED) };
    const { statuses } = await attack(fortress.port, request('PUT', target, all, '5\r\nhello\r\n0\r\n\r\n'));
    expect(statuses[0]).toBe(422);
    await expectUsable(fortress, session);
  });

  test('a server stops to decode a bomb at the first byte too many', async () => {
    const [fortress, session] = await begin();
    const bomb = gzipSync(Buffer.alloc(48 * MIB), { level: 9 });
    expect(bomb.length).toBeLessThan(DECODED);
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 10; round += 1) {
      const { statuses, text } = await put(fortress, session, bomb);
      expect([statuses[0], text.includes('chunk-incomplete')]).toEqual([400, true]);
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
    expect(await session.bytesThere(0)).toBeLessThanOrEqual(BYTES);
    await expectUsable(fortress, session);
  });

  test.each([
    ['noise', () => randomBytes(5000), 422],
    ['nothing', () => Buffer.alloc(0), 400],
    ['something behind the end', (body: Buffer) => Buffer.concat([gzipSync(body), Buffer.from('more')]), 422],
    ['fewer bytes than it says', (body: Buffer) => gzipSync(body.subarray(0, -1)), 400],
    ['more bytes than it says', (body: Buffer) => gzipSync(Buffer.concat([body, Buffer.from('x')])), 400],
    ['no end', (body: Buffer) => gzipSync(body).subarray(0, -4), 400],
    [
      'a wrong digest',
      (body: Buffer) => gzipSync(Buffer.concat([body.subarray(0, -1), Buffer.from([body.at(-1)! ^ 1])])),
      422,
    ],
    ['another byte', (body: Buffer) => gzipSync(Buffer.concat([Buffer.from('?'), body.subarray(1)])), 422],
  ])('a server does not take an encoded body for a chunk that is or has %s', async (_, make, status) => {
    const [fortress, session] = await begin();
    const { statuses } = await put(fortress, session, make(session.chunkBody(0)));
    expect(statuses).toEqual([status]);
    if (status === 422) expect(await session.bytesThere(0)).toBe(0);
    expect((await session.commit()).json.code).toBe('chunks-missing');
    await expectUsable(fortress, session);
  });

  test('a server keeps what a cut encoded body decoded to, and the next request goes on from there', async () => {
    const [fortress, session] = await begin();
    const body = gzipSync(session.chunkBody(0));
    const half = body.subarray(0, body.length / 2);
    await put(fortress, session, half, { 'Content-Length': String(body.length) }, { isEnded: true });
    // A request for the same chunk would end what is still being decoded.
    await delay(300);
    await until(async () => (await session.bytesThere(0)) > BYTES / 4);
    const bytesThere = await session.bytesThere(0);
    const rest = session.chunkBody(0, bytesThere);
    const headers = { 'Cairn-Offset': String(bytesThere), 'Cairn-Decoded-Length': String(rest.length) };
    expect((await put(fortress, session, gzipSync(rest), headers)).statuses).toEqual([200]);
    await expectUsable(fortress, session);
  });
});

describe('clients', () => {
  const content = Buffer.from(TEXT, 'latin1');
  const body = chunkOf(content);

  /** A server that answers chunks in its own way. */
  function lure(
    answer: (accepted: string) => { headers: object; body: Uint8Array },
    granted: object = { encodings: ['gzip'] },
  ): Promise<Trap> {
    return setTrap(
      (asked) => {
        const { route, response, method, request: seen } = asked;
        if (route === 'sessions') json(response, grant(granted), 201);
        else if (route?.includes('/chunks/') === true && method === 'GET') {
          const { headers, body: bytes } = answer(String(seen.headers['accept-encoding']));
          response.writeHead(200, { 'Content-Length': bytes.length, ...headers }).end(bytes);
        } else return commits(asked);
        return true;
      },
      { lines: [`["f","",${CHUNK},420,"0"]`], chunks: [content] },
      { compress: 'always', encodings: ['gzip'], retryForMs: 3000 },
    );
  }

  const gzip = { 'Content-Encoding': 'gzip', 'Cairn-Decoded-Length': String(body.length) };

  test('a client takes an honest encoded chunk, and a plain one where it asked for an encoded one', async () => {
    for (const lied of [
      await lure(() => ({ headers: gzip, body: gzipSync(body) })),
      await lure(() => ({ headers: {}, body })),
    ]) {
      const target = path.join(lied.destination, 'x');
      expect(await pull(target, lied.options)).toMatchObject({ bytesTotal: CHUNK });
    }
  });

  test('a client asks for no encoding that the server has not agreed to', async () => {
    for (const granted of [{}, { encodings: [] }, { encodings: ['br'] }, { encodings: ['zstd'] }]) {
      const accepted: string[] = [];
      const lied = await lure((accept) => (accepted.push(accept), { headers: {}, body }), granted);
      expect(await pull(path.join(lied.destination, 'x'), lied.options)).toMatchObject({ bytesSaved: 0 });
      expect(accepted).toEqual(['identity']);
    }
  });

  test.each([
    ['an encoding that nobody asked for', { 'Content-Encoding': 'br' }, gzipSync(body), /^invalid-request$/],
    ['two encodings', { 'Content-Encoding': 'gzip, gzip' }, gzipSync(gzipSync(body)), /^invalid-request$/],
    ['no decoded length', { 'Content-Encoding': 'gzip' }, gzipSync(body), /^chunk-out-of-range$/],
    [
      'another decoded length',
      { ...gzip, 'Cairn-Decoded-Length': '9' },
      gzipSync(body),
      'chunk-out-of-range',
    ],
    ['more bytes than the plain chunk', gzip, gzipSync(body, { level: 0 }), /^chunk-out-of-range$/],
    ['a bomb', gzip, gzipSync(Buffer.alloc(48 * MIB), { level: 9 }), /^chunk-(incomplete|out-of-range)$/],
    ['noise', gzip, randomBytes(3000), /^chunk-digest-mismatch$/],
    ['half of its bytes', gzip, gzipSync(body).subarray(0, 4000), /^chunk-(incomplete|out-of-range)$/],
    [
      'something behind its end',
      gzip,
      Buffer.concat([gzipSync(body), Buffer.from('more')]),
      /^chunk-digest-mismatch$/,
    ],
    [
      'other bytes',
      gzip,
      gzipSync(Buffer.concat([Buffer.from('?'), body.subarray(1)])),
      /^chunk-digest-mismatch$/,
    ],
  ])(
    'a client publishes and passes on nothing of an encoded chunk that is or has %s',
    async (_, headers, bytes, code) => {
      const lied = await lure(() => ({ headers, body: bytes }));
      const target = path.join(lied.destination, 'x');
      expect(await endOf(pull(target, lied.options))).toMatch(code);
      expect(existsSync(target)).toBe(false);
      lied.expectNothingOutside();
      let passedOn = 0;
      const sink = async (piece: Uint8Array): Promise<void> => void (passedOn += piece.byteLength);
      expect(await endOf(pullStream(sink, lied.options))).toMatch(code);
      expect(passedOn).toBe(0);
    },
  );
});
