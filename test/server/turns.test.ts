/** Requests behind others that are not answered yet, on one connection; each test over TCP and over TLS. */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/server-limits.ts';
import { openTls } from '../../src/server/access/kept-tls.ts';
import type { Authenticator } from '../../src/server/access/authenticator.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { file, transferOf } from '../suites/staged-transfer.ts';
import { issueServer, writeIssued } from '../support/certificates.ts';
import { ALICE, call, openPush, openScene, until, type Scene } from './by-hand.ts';

const ROOT = '/.cairn/v1/';
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A server, and a way to connect to it. */
interface Place {
  readonly scene: Scene;
  dial(): Promise<Wire>;
}

interface Wire {
  readonly socket: Socket;
  readonly received: () => string;
  /** Status codes of the answers that came. */
  readonly statuses: () => number[];
  /** Resolves when the server has ended the connection. */
  readonly ended: Promise<void>;
}

function wireOf(socket: Socket): Wire {
  let text = '';
  socket.on('data', (piece) => (text += piece.toString('latin1')));
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  return {
    socket,
    received: () => text,
    statuses: () => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)),
    ended: new Promise((resolve) => socket.once('close', () => resolve())),
  };
}

type Changes = Parameters<typeof openScene>[1];

async function overTcp(changes: Changes = {}): Promise<Place> {
  const scene = await openScene('memory', changes);
  const dial = async (): Promise<Wire> => {
    const socket = connectPlain(scene.server.port, '127.0.0.1');
    await new Promise((resolve) => void socket.once('connect', resolve));
    return wireOf(socket);
  };
  return { scene, dial };
}

async function overTls(changes: Changes = {}): Promise<Place> {
  const files = writeIssued(await issueServer());
  const tls = await openTls({ certFile: files.cert, keyFile: files.key, clientCaFile: undefined }, SILENT);
  onTestFinished(() => tls.close());
  const scene = await openScene('memory', { ...changes, tls });
  const dial = async (): Promise<Wire> => {
    const socket = connectTls({ port: scene.server.port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => void socket.once('secureConnect', resolve));
    return wireOf(socket);
  };
  return { scene, dial };
}

const head = (startLine: string, ...fields: string[]): string =>
  [`${startLine} HTTP/1.1`, 'Host: test', ...fields, '', ''].join('\r\n');
const HELLO = head(`GET ${ROOT}`);
const AUTHORIZED = `Authorization: Bearer ${ALICE}`;
const SLOW = head(`GET ${ROOT}probe?silentMs=150&pieces=2&everyMs=50`, AUTHORIZED);
const CHANNEL = head(`GET ${ROOT}channel`, 'Connection: Upgrade', 'Upgrade: cairn-channel/1');
const FOREIGN = head(`GET ${ROOT}`, 'Connection: Upgrade', 'Upgrade: h2c');
const CHUNKED = 'Transfer-Encoding: chunked';
const EXPECTS = (what: string): string =>
  head(`POST ${ROOT}tree-id`, `Expect: ${what}`, 'Content-Length: 2', 'Connection: close');

async function stillServes({ dial }: Place): Promise<void> {
  const wire = await dial();
  wire.socket.write(head(`GET ${ROOT}`, 'Connection: close'));
  await wire.ended;
  expect(wire.statuses()).toEqual([200]);
}

const BEHIND: readonly [string, string, number[]][] = [
  ['an upgrade to something else', FOREIGN, [200]],
  ['an upgrade to a channel', CHANNEL, [101]],
  ['a CONNECT', head('CONNECT example.org:443'), [405]],
  ['what is no request', 'nonsense\r\n\r\n', [400]],
  ['a head that is too long', head('GET /', `X-Long: ${'x'.repeat(20_000)}`), [431]],
  ['a request that waits for permission', EXPECTS('100-continue'), [401]],
  ['an expectation that nobody knows', EXPECTS('a-miracle'), [401]],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
];

const FIRST: readonly [string, string, number][] = [
  ['an answer that is made at once', HELLO, 200],
  ['an answer that takes its time', SLOW, 200],
  ['a refusal', head('GET /no-token'), 401],
  ['a body that ends with its packet', `${head(`POST ${ROOT}tree-id`, AUTHORIZED, CHUNKED)}0\r\n\r\n`, 400],
];

describe.each([
  ['TCP', overTcp],
  ['TLS', overTls],
] as const)('over %s', (_name, open) => {
  test.each(FIRST.flatMap((first) => BEHIND.map((behind) => [behind[0], first[0], first, behind] as const)))(
    '%s waits for its turn behind %s, and ends no more than its connection',
    async (_what, _before, [, first, status], [, behind, statuses]) => {
      const place = await open();
      const { socket, statuses: came, ended } = await place.dial();
      socket.write(first + behind);
      await until(async () => came().length === 1 + statuses.length || socket.destroyed);
      expect(came()).toEqual([status, ...statuses]);
      socket.end();
      await ended;
      await stillServes(place);
      expect(place.scene.logged.filter((line) => line.includes('bug'))).toEqual([]);
    },
  );

  test('bytes that are no request wait for all answers that are under way', async () => {
    const { dial } = await open();
    const { socket, statuses, ended } = await dial();
    const small = `${head(`POST ${ROOT}tree-id`, AUTHORIZED, CHUNKED)}0\r\n\r\n`;
    socket.write(`${small}${head('GET /x')}nonsense\r\n\r\n`);
    await ended;
    expect(statuses()).toEqual([400, 401, 400]);
  });

  test('three hundred requests in one packet are answered in order', async () => {
    const { dial } = await open();
    const { socket, statuses } = await dial();
    const wanted = Array.from({ length: 300 }, (_, at) => (at % 3 === 0 ? 200 : at % 3 === 1 ? 401 : 404));
    const kinds: Readonly<Record<number, string>> = {
      200: HELLO,
      401: head('GET /x'),
      404: head(`GET ${ROOT}no`),
    };
    socket.write(wanted.map((status) => kinds[status]).join(''));
    await until(async () => statuses().length === wanted.length);
    expect(statuses()).toEqual(wanted);
  });

  test('requests whose bodies and heads come in any pieces are answered in order', async () => {
    const { dial } = await open();
    const { socket, statuses } = await dial();
    const body = JSON.stringify({ target: '/nothing' });
    const known = head(`POST ${ROOT}tree-id`, AUTHORIZED, `Content-Length: ${body.length}`) + body;
    const chunked = `${head(`POST ${ROOT}tree-id`, AUTHORIZED, 'Transfer-Encoding: chunked')}5\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\nX: y\r\n\r\n`;
    const text = (HELLO + known + chunked).repeat(6);
    for (let at = 0, size = 1; at < text.length; at += size, size = (size * 7) % 61) {
      socket.write(text.slice(at, at + size));
      // oxlint-disable-next-line no-await-in-loop -- each piece is to be a packet of its own
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(async () => statuses().length === 18);
    expect(statuses()).toEqual(Array.from({ length: 18 }, () => 200));
  });
});

describe('pipelined requests', () => {
  /** Counts the lookups that are made at a time, each of which lasts until it is let go. */
  function counting(): {
    wrap: (content: ContentStore) => ContentStore;
    under: () => number;
    letGo: () => void;
  } {
    let under = 0;
    const waiting: (() => void)[] = [];
    return {
      under: () => under,
      letGo: () => waiting.splice(0).forEach((resolve) => resolve()),
      wrap: (content) => ({
        ...content,
        lookup: async (paths) => {
          under += 1;
          await new Promise<void>((resolve) => waiting.push(resolve));
          under -= 1;
          return content.lookup(paths);
        },
      }),
    };
  }

  test('pipelined requests of one connection are worked on one at a time', async () => {
    const { wrap, under, letGo } = counting();
    const { dial } = await overTcp({ wrap });
    const { socket, statuses } = await dial();
    socket.write(head('GET /nothing', AUTHORIZED).repeat(50));
    for (let turn = 0; turn < 50; turn += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await until(async () => under() === 1);
      letGo();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await until(async () => statuses().length === turn + 1);
      expect(under()).toBeLessThanOrEqual(1);
    }
  });

  test('a pipelined request is not begun if its connection has died before its turn', async () => {
    const { wrap, under, letGo } = counting();
    const { scene, dial } = await overTcp({ wrap });
    const { socket } = await dial();
    socket.write(head('GET /nothing', AUTHORIZED).repeat(1000));
    await until(async () => under() === 1);
    socket.resetAndDestroy();
    await until(async () => {
      letGo();
      return under() === 0;
    });
    // A server that waited for one of them would use up its time.
    await scene.server.drain({ graceMs: 50_000 });
  });

  test('a chunk travels over a channel that was asked for behind another request', async () => {
    const { scene, dial } = await overTcp();
    const session = await openPush(scene, transferOf(scene.stores.content, 'file', [file('', 70_000)]));
    const { socket, received } = await dial();
    socket.write(SLOW + CHANNEL);
    await until(async () => received().includes(' 101 '));
    const body = session.chunkBody(0);
    const fields = Object.entries(session.headers).map(([name, value]) => `${name}: ${value}`);
    const target = `${ROOT}sessions/${session.terms.session}/chunks/0`;
    socket.write(head(`PUT ${target}`, `Content-Length: ${body.length}`, ...fields));
    socket.write(body);
    await until(async () => received().includes('"syncPoint"'));
  });

  test('pipelined requests of one connection give others a turn between them', async () => {
    let [asked, turns, isCounting] = [0, 0, true];
    const authenticator: Authenticator = {
      authenticate: async () => {
        asked += 1;
        return undefined;
      },
      stands: () => undefined,
    };
    const { dial } = await overTcp({ authenticators: [authenticator] });
    const { socket, statuses } = await dial();
    const count = (): void => {
      if (asked > 0) turns += 1;
      if (isCounting) setImmediate(count);
    };
    count();
    socket.write(head('GET /x').repeat(500));
    await until(async () => statuses().length === 500);
    isCounting = false;
    expect(turns).toBeGreaterThan(400);
  });

  test('answers that a client does not read do not delay other clients', async () => {
    const place = await overTcp({ limits: { ...DEFAULT_LIMITS, idleBodyMs: 60_000 } });
    const { socket } = await place.dial();
    socket.pause();
    socket.write(HELLO.repeat(20_000));
    await stillServes(place);
    expect((await call(place.scene, 'GET', ROOT)).status).toBe(200);
  });
});
