/** Chunks over channels: connections that were upgraded, by hand over raw sockets. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseAddressRange } from '../../src/base/address-range.ts';
import { DEFAULT_LIMITS } from '../../src/server/server-limits.ts';
import {
  chunkBytes,
  chunkCountOf,
  file,
  transferOf,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import {
  ALICE,
  call,
  establish,
  openPush,
  openScene,
  until,
  type HandSession,
  type Scene,
} from './by-hand.ts';
import { cpuNowMs } from '../support/cpu-time.ts';

const ROOT = '/.cairn/v1/';
const UPGRADE = ['Connection: Upgrade', 'Upgrade: cairn-channel/1'];

/** A connection by hand; what came is text, so that its bytes can be compared. */
interface Line {
  readonly socket: Socket;
  received: string;
  isClosed: boolean;
  /** Waits until what came matches, and takes it away. */
  expect(pattern: RegExp): Promise<RegExpExecArray>;
}

async function dial(scene: Scene): Promise<Line> {
  const socket = connect(scene.server.port, '127.0.0.1');
  const line: Line = {
    socket,
    received: '',
    isClosed: false,
    expect: async (pattern) => {
      await until(async () => pattern.test(line.received) || line.isClosed);
      const match = pattern.exec(line.received);
      if (match === null) throw new Error(`not ${pattern}: ${line.received.slice(0, 500)}`);
      line.received = line.received.slice(match.index + match[0].length);
      return match;
    },
  };
  socket.on('data', (piece) => (line.received += piece.toString('latin1')));
  socket.on('error', () => undefined);
  socket.on('close', () => (line.isClosed = true));
  onTestFinished(() => void socket.destroy());
  await new Promise((resolve) => void socket.once('connect', resolve));
  return line;
}

const headOf = (startLine: string, fields: readonly string[]): string =>
  [startLine, 'Host: test', ...fields, '', ''].join('\r\n');

async function openChannel(scene: Scene, fields: readonly string[] = []): Promise<Line> {
  const line = await dial(scene);
  line.socket.write(headOf(`GET ${ROOT}channel HTTP/1.1`, [...UPGRADE, ...fields]));
  await line.expect(/^HTTP\/1\.1 101 [^]*?\r\n\r\n/);
  return line;
}

const proofOf = ({ headers }: HandSession): string[] =>
  Object.entries(headers).map(([name, value]) => `${name}: ${value}`);

const chunkHead = (
  session: HandSession,
  method: string,
  chunk: number,
  fields: readonly string[] = [],
): string =>
  headOf(`${method} ${ROOT}sessions/${session.terms.session}/chunks/${chunk} HTTP/1.1`, [
    ...proofOf(session),
    ...fields,
  ]);

function sendChunk(
  line: Line,
  session: HandSession,
  chunk: number,
  { offset = 0, sentBytes = Infinity } = {},
): void {
  const body = session.chunkBody(chunk, offset);
  const fields = [`Content-Length: ${body.length}`, ...(offset > 0 ? [`Cairn-Offset: ${offset}`] : [])];
  line.socket.write(chunkHead(session, 'PUT', chunk, fields));
  line.socket.write(body.subarray(0, sentBytes));
}

const contentOf = (transfer: SampleTransfer): Buffer =>
  Buffer.concat(Array.from({ length: chunkCountOf(transfer) }, (_, chunk) => chunkBytes(transfer, chunk)));

/** Waits until the server is at work for a session. */
const underWay = ({ scene, terms }: HandSession): Promise<void> =>
  until(async () => {
    const { json } = await call(scene, 'GET', `${ROOT}sessions/${terms.session}`, { token: ALICE });
    return json.requests === 1;
  });

test('a channel that is asked for before its server is ready waits for an answer like any request', async () => {
  let line: Line | undefined;
  let early = '';
  await openScene('memory', {
    onListening: async ({ port }) => {
      line = await openChannel({ server: { port } } as Scene);
      line.socket.write(headOf(`HEAD ${ROOT}sessions/${'a'.repeat(22)}/chunks/0 HTTP/1.1`, []));
      await delay(200);
      early = line.received;
    },
  });
  expect(early).toBe('');
  await line!.expect(/^HTTP\/1\.1 401 /);
});

const OK = /^HTTP\/1\.1 200 OK\r\n[^]*?\r\n\r\n/;

const BYTES = 6 * 64 * 1024 + 100;

const sample = (scene: Scene): SampleTransfer => transferOf(scene.stores.content, 'file', [file('', BYTES)]);

async function openPull(scene: Scene, transfer: SampleTransfer): Promise<HandSession> {
  const session = await establish(scene, transfer, 'pull');
  await session.call('GET', 'manifest');
  const { status } = await session.sendPlan();
  expect(status).toBe(200);
  return session;
}

describe('channels', () => {
  test.each(['local disk', 'memory'] as const)(
    'a channel takes one chunk after another (%s)',
    async (kind) => {
      const scene = await openScene(kind);
      const transfer = sample(scene);
      const session = await openPush(scene, transfer);
      const line = await openChannel(scene);
      for (let chunk = 0; chunk < chunkCountOf(transfer); chunk += 1) {
        sendChunk(line, session, chunk);
        await line.expect(OK);
        await line.expect(/^\{"syncPoint":\d+,"durableSyncPoint":\d+\}/);
      }
      expect((await session.commit()).json).toMatchObject({ state: 'committed' });
      const there = await call(scene, 'GET', '/file', { token: ALICE });
      expect(there.body.equals(contentOf(transfer))).toBe(true);
    },
  );

  test('a channel gives one chunk after another, from any offset', async () => {
    const scene = await openScene('memory');
    const transfer = sample(scene);
    const push = await openPush(scene, transfer);
    for (let chunk = 0; chunk < chunkCountOf(transfer); chunk += 1) await push.putChunk(chunk);
    await push.commit();
    const pull = await openPull(scene, transfer);
    const line = await openChannel(scene);
    for (const [chunk, offset] of [
      [0, 0],
      [3, 1000],
      [6, 0],
    ] as const) {
      const wanted = pull.chunkBody(chunk, offset);
      line.socket.write(chunkHead(pull, 'GET', chunk, offset > 0 ? [`Cairn-Offset: ${offset}`] : []));
      const [head] = await line.expect(OK);
      expect(head).toContain(`Content-Length: ${wanted.length}\r\n`);
      await until(async () => line.received.length >= wanted.length);
      expect(Buffer.from(line.received, 'latin1').equals(wanted)).toBe(true);
      line.received = '';
    }
  });

  test('a channel keeps the bytes that came of a chunk that is cut', async () => {
    const scene = await openScene('local disk');
    const session = await openPush(scene, sample(scene));
    const line = await openChannel(scene);
    sendChunk(line, session, 1, { sentBytes: 40_000 });
    await underWay(session);
    line.socket.end();
    // Whoever asks for a chunk earlier ends the request that brings it.
    await until(async () => line.isClosed);
    expect(await session.bytesThere(1)).toBe(40_000);
    const next = await openChannel(scene);
    sendChunk(next, session, 1, { offset: 40_000 });
    await next.expect(OK);
  });

  test('a channel says why it refuses a chunk, and ends if more of the body would come', async () => {
    const scene = await openScene('memory');
    const session = await openPush(scene, sample(scene));
    const line = await openChannel(scene);
    const head = chunkHead(session, 'PUT', 0, ['Content-Length: 65544']);
    line.socket.write(head.replace('cairn-epoch: 1', 'cairn-epoch: 7'));
    line.socket.write(session.chunkBody(0).subarray(0, 1000));
    await line.expect(/^HTTP\/1\.1 409 [^]*"code":"session-fenced"/);
    line.socket.end();
    await until(async () => line.isClosed);
    expect(line.received).not.toContain('200 OK');
  });

  test('a channel goes on after an error that leaves nothing of the request', async () => {
    const scene = await openScene('memory');
    const session = await openPush(scene, sample(scene));
    const line = await openChannel(scene);
    const wrong = Buffer.from(session.chunkBody(0));
    wrong[10]! ^= 1;
    line.socket.write(chunkHead(session, 'PUT', 0, [`Content-Length: ${wrong.length}`]));
    line.socket.write(wrong);
    await line.expect(/^HTTP\/1\.1 422 [^]*"code":"chunk-digest-mismatch"[^]*?\}\}/);
    sendChunk(line, session, 0);
    await line.expect(OK);
  });

  test('a channel without requests ends at once when the server drains', async () => {
    const scene = await openScene('memory');
    const line = await openChannel(scene);
    // The test would be over before that.
    await scene.server.drain({ graceMs: 3_600_000 });
    await until(async () => line.isClosed);
  });

  test('a channel lets a chunk end that is under way when the server drains', async () => {
    const scene = await openScene('memory');
    const session = await openPush(scene, sample(scene));
    const line = await openChannel(scene);
    sendChunk(line, session, 0, { sentBytes: 40_000 });
    await underWay(session);
    const drained = scene.server.drain();
    line.socket.write(session.chunkBody(0).subarray(40_000));
    await line.expect(/^HTTP\/1\.1 200 OK/);
    await drained;
    await until(async () => line.isClosed);
  });

  test('a channel without requests is closed after a while', async () => {
    const scene = await openScene('memory', { limits: { ...DEFAULT_LIMITS, keepAliveMs: 200 } });
    const line = await openChannel(scene);
    await until(async () => line.isClosed);
  });

  test('a channel keeps the address of the request that opened it', async () => {
    const scene = await openScene('memory', { trustedProxies: [parseAddressRange('127.0.0.1')!] });
    const session = await openPush(scene, sample(scene));
    const line = await openChannel(scene, ['X-Forwarded-For: 192.0.2.7']);
    const body = session.chunkBody(0);
    const fields = [`Content-Length: ${body.length}`, 'X-Forwarded-For: 198.51.100.9'];
    line.socket.write(chunkHead(session, 'PUT', 0, fields));
    await underWay(session);
    const { json } = await call(scene, 'GET', `${ROOT}sessions/${session.terms.session}`, { token: ALICE });
    expect(json.addresses).toContain('192.0.2.7');
    expect(json.addresses).not.toContain('198.51.100.9');
  });

  test.each([
    ['whoami', `GET ${ROOT}whoami HTTP/1.1`],
    ['a file', 'GET /file HTTP/1.1'],
    ['a request line with a word too many', `GET ${ROOT}sessions/${'a'.repeat(22)}/chunks/0 HTTP/1.1 x`],
  ])('a channel carries chunks and nothing else, so that %s ends it', async (_what, startLine) => {
    const scene = await openScene('memory');
    const line = await openChannel(scene);
    line.socket.write(headOf(startLine, [`Authorization: Bearer ${ALICE}`]));
    await until(async () => line.isClosed);
    expect(line.received).toBe('');
    expect(scene.logged.join('\n')).toContain('channel ended');
  });

  test('a channel takes one refused chunk after the other, and keeps no memory of them', async () => {
    const scene = await openScene('memory');
    const line = await openChannel(scene);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    collect();
    const before = process.memoryUsage().arrayBuffers;
    const request = headOf(`PUT ${ROOT}sessions/${'a'.repeat(22)}/chunks/0 HTTP/1.1`, ['Content-Length: 1']);
    for (let turn = 0; turn < 300; turn += 1) {
      line.socket.write(`${request}x`);
      await line.expect(/^HTTP\/1\.1 401 [^]*?\r\n\r\n\{[^}]*\}+/);
    }
    // A buffer of 16 KiB for each would be 4.7 MiB. Memory is given back by another thread, soon after it was collected.
    await until(async () => {
      collect();
      return process.memoryUsage().arrayBuffers - before < 2 * 1024 * 1024;
    });
  });

  test('a channel ends at a head of 8,000 blanks in less than a second of a processor', async () => {
    const scene = await openScene('memory');
    const line = await openChannel(scene);
    const started = cpuNowMs();
    line.socket.write(headOf('GET / HTTP/1.1', [`a:${' '.repeat(8000)}\x01`]));
    await until(async () => line.isClosed);
    expect(cpuNowMs() - started).toBeLessThan(1000);
  });

  test('a channel does not keep a server from ending, nor does a slow answer to another upgrade', async () => {
    const scene = await openScene('memory');
    const other = await dial(scene);
    other.socket.pause();
    other.socket.write(
      headOf(`GET ${ROOT}probe?silentMs=60000&pieces=1&everyMs=1 HTTP/1.1`, [
        'Connection: Upgrade',
        'Upgrade: h2c',
        `Authorization: Bearer ${ALICE}`,
      ]),
    );
    await openChannel(scene);
    let isAnswered = false;
    other.socket.on('data', () => (isAnswered = true));
    await scene.server.drain({ graceMs: 200 });
    expect(isAnswered).toBe(false);
  });

  test.each([
    ['a head that is none', 'hello\r\nworld\r\n\r\n'],
    ['a head without an end', 'x'.repeat(20_000)],
    ['two lengths', headOf('PUT / HTTP/1.1', ['Content-Length: 1', 'Content-Length: 1'])],
    ['chunked coding', headOf('PUT / HTTP/1.1', ['Transfer-Encoding: chunked'])],
  ])('a channel is closed after %s, and the server goes on', async (_what, text) => {
    const scene = await openScene('memory');
    const line = await openChannel(scene);
    line.socket.write(text);
    await until(async () => line.isClosed);
    expect(line.received).toBe('');
    expect((await call(scene, 'GET', ROOT)).status).toBe(200);
  });

  test('a channel is closed when a second request comes before the answer to the first', async () => {
    const scene = await openScene('memory');
    const session = await openPush(scene, sample(scene));
    const line = await openChannel(scene);
    const body = session.chunkBody(0);
    line.socket.write(
      Buffer.concat([
        Buffer.from(chunkHead(session, 'PUT', 0, [`Content-Length: ${body.length}`])),
        body,
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      ]),
    );
    await until(async () => line.isClosed);
    expect(line.received).not.toContain('404');
  });
});

describe('requests to upgrade', () => {
  test.each([
    ['to something else', ['Connection: Upgrade', 'Upgrade: h2c']],
    ['of another path', UPGRADE],
  ])('a request to upgrade %s is answered as if it had not asked', async (_what, fields) => {
    const scene = await openScene('memory');
    const line = await dial(scene);
    line.socket.write(headOf(`GET ${ROOT} HTTP/1.1`, fields));
    await line.expect(/^HTTP\/1\.1 200 OK[^]*"server":"cairn"/);
    await until(async () => line.isClosed);
  });

  test('a request to upgrade with a body is served with its body, whatever pieces that comes in', async () => {
    const scene = await openScene('memory');
    const line = await dial(scene);
    const body = JSON.stringify({ target: '/nothing' });
    const head = headOf(`POST ${ROOT}tree-id HTTP/1.1`, [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
      `Authorization: Bearer ${ALICE}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ]);
    line.socket.write(head + body.slice(0, 3));
    await delay(20);
    line.socket.write(body.slice(3));
    await line.expect(/^HTTP\/1\.1 200 OK\r\n[^]*Connection: close[^]*\{"id":null\}/);
    await until(async () => line.isClosed);
  });

  test('a channel counts as a connection of its address for as long as it is open', async () => {
    const scene = await openScene('memory', {
      limits: {
        ...DEFAULT_LIMITS,
        maxConnectionsPerAddress: 2,
        leastIdleMs: { connection: Infinity, channel: Infinity },
      },
    });
    const first = await openChannel(scene);
    await openChannel(scene);
    const refused = await dial(scene);
    await refused.expect(/^HTTP\/1\.1 503 /);
    first.socket.destroy();
    await until(async () => (await call(scene, 'GET', ROOT).catch(() => ({ status: 0 }))).status === 200);
  });
});
