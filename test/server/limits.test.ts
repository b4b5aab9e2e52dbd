/** What a server allows, each limit met by somebody who goes beyond it, beside others who do not. */
import { mkdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeTree } from '../../src/wire/tree-stream.ts';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseAddressRange } from '../../src/base/address-range.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { addressKey } from '../../src/base/address-key.ts';
import { countFailedAuthentications } from '../../src/server/access/failed-authentications.ts';
import { DEFAULT_LIMITS } from '../../src/server/server-limits.ts';
import { CairnError } from '../../src/base/errors.ts';
import type { Authenticator } from '../../src/server/access/authenticator.ts';
import { createStagingRoom } from '../../src/server/core/sessions/staging-room.ts';
import { createMemoryContentStore } from '../support/memory-stores/memory-content-store.ts';
import { recordOf } from '../suites/session-store.ts';
import { directory, file, stream, transferOf } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';
import {
  ALICE,
  BOB,
  call,
  establish,
  intercept,
  openPush,
  openScene,
  raw,
  until,
  type Scene,
} from './by-hand.ts';

describe('failed authentications', () => {
  test('an address has to wait after ten failed authentications, and its valid token is accepted all the same', async () => {
    const authenticator: Authenticator = {
      authenticate: async ({ bearer }) => {
        if (bearer === 'over') throw new CairnError('token-expired', 'the access token has expired');
        const authorization = { id: 'token:a', principal: 'a', scopes: ['list'] as const, pathPrefix: '' };
        return bearer === ALICE ? authorization : undefined;
      },
      stands: () => true,
    };
    const scene = await openScene('memory', { authenticators: [authenticator] });
    const ask = (token?: string) => call(scene, 'GET', '/x', { token });
    // None of these counts: who shows nothing, or what was good once, is no guesser.
    for (let count = 0; count < 15; count += 1) expect((await ask()).status).toBe(401);
    for (let count = 0; count < 15; count += 1) expect((await ask('over')).status).toBe(401);
    for (let count = 0; count < 10; count += 1) expect((await ask(`guess-${count}`)).status).toBe(401);
    const refused = await ask('guess-10');
    expect([refused.status, refused.json.code]).toEqual([429, 'rate-limited']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(30);
    expect((await ask(ALICE)).status).toBe(404);
    expect((await ask()).status).toBe(401);
    expect((await ask('guess-11')).status).toBe(429);
    expect(scene.logged.some((line) => line.includes('"limit":"failed-authentications"'))).toBe(true);
    expect(scene.logged.join('\n')).not.toContain('guess-');
  });

  test('failed authentications have the same limit at the same time as one after another', async () => {
    const waiting: (() => void)[] = [];
    const authenticator: Authenticator = {
      authenticate: async () => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        return undefined;
      },
      stands: () => true,
    };
    const scene = await openScene('memory', { authenticators: [authenticator] });
    const asking = Array.from({ length: 40 }, (_, at) => call(scene, 'GET', '/x', { token: `guess-${at}` }));
    await until(async () => waiting.length === asking.length);
    for (const resolve of waiting) resolve();
    const statuses = (await Promise.all(asking)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(30);
  });

  test('a wrong session credential does not count as a failed authentication', async () => {
    const scene = await openScene('memory');
    const session = await openPush(scene, transferOf(scene.stores.content, 'x', [file('', 'x')]));
    for (let count = 0; count < 20; count += 1) {
      const headers = { 'cairn-credential': 'x'.repeat(43) };
      expect((await session.call('POST', 'heartbeat', { headers })).json.code).toBe('session-not-found');
    }
    expect((await call(scene, 'GET', '/nothing', { token: ALICE })).status).toBe(404);
  });

  test('are counted by address, and of IPv6 by its /64', async () => {
    expect(addressKey('::ffff:192.0.2.7')).toBe('192.0.2.7');
    expect(addressKey('2001:db8:1:2:3:4:5:6')).toBe(addressKey('2001:db8:1:2::1'));
    expect(addressKey('2001:db8:1:3::1')).not.toBe(addressKey('2001:db8:1:2::1'));
    expect(addressKey('fe80::1%eth0')).toBe(addressKey('fe80::2%eth0'));
    expect(addressKey('unknown')).toBe('unknown');
    const clock = { ms: 0 };
    const counted = countFailedAuthentications(DEFAULT_LIMITS, { now: () => clock.ms });
    for (let count = 0; count < 10; count += 1)
      expect(await counted.failed(`2001:db8::${count}`)).toBeUndefined();
    expect((await counted.failed('2001:db8::ffff'))?.code).toBe('rate-limited');
    expect(await counted.failed('2001:db8:0:1::1')).toBeUndefined();
    clock.ms = 30_000;
    expect((await counted.failed('2001:db8::1'))?.details).toEqual({
      limit: 'failed-authentications',
      retryAfterMs: 30_000,
    });
    clock.ms = 60_000;
    expect(await counted.failed('2001:db8::1')).toBeUndefined();
  });

  test('of ever new addresses take no more memory than those of a hundred thousand', async () => {
    const counted = countFailedAuthentications(DEFAULT_LIMITS, { maxAddresses: 1000 });
    for (let count = 0; count < 5000; count += 1)
      await counted.failed(`10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`);
    expect(counted.size).toBe(1000);
  });
});

/** A connection that goes with the test, and what it was answered. */
interface Watched {
  readonly socket: Socket;
  answer: string;
  isOver: boolean;
}

function open(port: number, localAddress = '127.0.0.1'): Promise<Watched> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    const watched: Watched = { socket, answer: '', isOver: false };
    onTestFinished(() => void socket.destroy());
    socket.on('data', (piece) => (watched.answer += piece.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => (watched.isOver = true));
    socket.on('connect', () => resolve(watched));
  });
}

const ROOT_REQUEST = 'GET /.cairn/v1/ HTTP/1.1\r\nHost: a\r\n\r\n';

const CHANNEL_FIELDS = 'Connection: Upgrade\r\nUpgrade: cairn-channel/1\r\n';
/** No connection makes room for another one. */
const NEVER = { connection: Infinity, channel: Infinity };
const AT_ONCE = { connection: 0, channel: 0 };

describe('connections', () => {
  test('idle connections of an address make room for its new ones, the longest idle one first', async () => {
    const scene = await openScene('memory', {
      authenticators: [createStaticToken(ALICE)],
      limits: { maxConnectionsPerAddress: 3, leastIdleMs: AT_ONCE },
    });
    const { port } = scene.server;
    const other = await open(port, '127.0.0.2');
    const [busy, early, late] = [await open(port), await open(port), await open(port)];
    busy.socket.write(
      `GET /.cairn/v1/probe?silentMs=60000 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`,
    );
    early.socket.write(ROOT_REQUEST);
    await until(async () => early.answer.includes('"server":"cairn"'));
    late.socket.write(ROOT_REQUEST);
    await until(async () => late.answer.includes('"server":"cairn"'));
    const fourth = await open(port);
    await until(async () => early.isOver);
    fourth.socket.write(`GET /.cairn/v1/channel HTTP/1.1\r\nHost: a\r\n${CHANNEL_FIELDS}\r\n`);
    await until(async () => fourth.answer.startsWith('HTTP/1.1 101 '));
    await open(port);
    await until(async () => late.isOver);
    await open(port);
    await until(async () => fourth.isOver);
    expect([busy.isOver, other.isOver]).toEqual([false, false]);
  });

  test('an idle connection makes room where there are too many in all, and a busy one never does', async () => {
    const scene = await openScene('memory', { limits: { maxConnections: 1, leastIdleMs: AT_ONCE } });
    const { port } = scene.server;
    const first = await open(port);
    const second = await open(port, '127.0.0.2');
    await until(async () => first.isOver);
    second.socket.write(
      `GET /.cairn/v1/probe?silentMs=60000 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`,
    );
    await until(async () => {
      const third = await open(port);
      await until(async () => third.isOver || second.isOver);
      return third.answer.startsWith('HTTP/1.1 503 ');
    });
    expect(second.isOver).toBe(false);
  });

  test('connections of one address beyond its limit are answered 503 and closed, and another is served', async () => {
    const scene = await openScene('memory', { limits: { maxConnectionsPerAddress: 3, leastIdleMs: NEVER } });
    const { port } = scene.server;
    const first = [await open(port), await open(port), await open(port)];
    const fourth = await open(port);
    await until(async () => fourth.isOver);
    expect(fourth.answer).toMatch(/^HTTP\/1.1 503 [^]*Retry-After: 1[^]*"code":"server-busy"/);
    const other = await open(port, '127.0.0.2');
    other.socket.write(ROOT_REQUEST);
    for (const { socket } of first) socket.write(ROOT_REQUEST);
    await until(async () => [other, ...first].every(({ answer }) => answer.includes('"server":"cairn"')));
    first[0]!.socket.destroy();
    await delay(50);
    const again = await open(port);
    again.socket.write(ROOT_REQUEST);
    await until(async () => again.answer.includes('"server":"cairn"'));
  });

  test('connections of a trusted proxy are limited only by their number in all', async () => {
    const scene = await openScene('memory', {
      limits: { maxConnectionsPerAddress: 1, maxConnections: 5, leastIdleMs: NEVER },
      trustedProxies: [parseAddressRange('127.0.0.9')!],
    });
    const { port } = scene.server;
    const ofProxy = await Promise.all(Array.from({ length: 4 }, () => open(port, '127.0.0.9')));
    const [own, tooMany] = [await open(port), await open(port)];
    await until(async () => tooMany.isOver);
    for (const { socket } of [...ofProxy, own]) socket.write(ROOT_REQUEST);
    await until(async () => [...ofProxy, own].every(({ answer }) => answer.includes('"server":"cairn"')));
    const sixth = await open(port, '127.0.0.9');
    await until(async () => sixth.isOver && sixth.answer.startsWith('HTTP/1.1 503 '));
  });

  test('connections beyond the limit in all are answered 503 and closed, and the others go on', async () => {
    const scene = await openScene('memory', { limits: { maxConnections: 2, leastIdleMs: NEVER } });
    const { port } = scene.server;
    const [one, two] = [await open(port), await open(port, '127.0.0.2')];
    const flood = await Promise.all(Array.from({ length: 100 }, () => open(port, '127.0.0.3')));
    await until(async () => flood.every(({ isOver }) => isOver));
    expect(flood.filter(({ answer }) => answer.startsWith('HTTP/1.1 503 ')).length).toBeGreaterThan(10);
    for (const { socket } of [one, two]) socket.write(ROOT_REQUEST);
    await until(async () => [one, two].every(({ answer }) => answer.includes('"server":"cairn"')));
    expect(
      scene.logged.filter((line) => line.includes('a limit refused a request or a connection')),
    ).toHaveLength(1);
  });

  test('connections that are silent, or late with their headers, are closed', async () => {
    const scene = await openScene('memory', { limits: { headersMs: 300 } });
    const silent = await open(scene.server.port);
    const slow = await open(scene.server.port);
    slow.socket.write('GET / HTTP/1.1\r\nHost: a\r\n');
    const drip = setInterval(() => slow.socket.writable && slow.socket.write('X: y\r\n'), 50);
    onTestFinished(() => clearInterval(drip));
    await until(async () => silent.isOver && slow.isOver);
    expect(slow.answer).toMatch(/^HTTP\/1.1 408 [^]*"code":"timeout"/);
  });

  test('requests with more or longer headers than are allowed are refused with the reason', async () => {
    const scene = await openScene('memory', { limits: { maxHeaders: 20, maxTargetBytes: 2000 } });
    const headers = Array.from({ length: 30 }, (_, index) => `X-${index}: y\r\n`).join('');
    expect(await raw(scene, `GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`, 300)).toMatch(
      // Newer versions of Node refuse them by themselves.
      /^HTTP\/1.1 (400 [^]*more than 20 header fields|431 [^]*invalid-request)/,
    );
    expect(await raw(scene, `GET /${'a'.repeat(3000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 300)).toMatch(
      /^HTTP\/1.1 400 [^]*path-too-long/,
    );
  });
});

describe('bodies', () => {
  test('a body that drips slower than the least rate is ended, and one that is merely slow is not', async () => {
    const scene = await openScene('memory', { limits: { minBodyRate: 1000, bodyRateOverMs: 400 } });
    const transfer = transferOf(scene.stores.content, 'x', [file('', 'y'.repeat(65_536))]);
    const session = await openPush(scene, transfer);
    const dripping = await session.beginChunk(0, 100);
    let answer = '';
    dripping.on('data', (piece) => (answer += piece.toString()));
    const drip = setInterval(() => dripping.writable && dripping.write('y'), 40);
    onTestFinished(() => clearInterval(drip));
    await until(async () => answer.includes('HTTP/1.1 408 '));
    expect(answer).toContain('slower than 1000 bytes a second');
    clearInterval(drip);
    const slow = await session.beginChunk(0, 100);
    let slowAnswer = '';
    slow.on('data', (piece) => (slowAnswer += piece.toString()));
    const rest = session.chunkBody(0).subarray(100);
    for (let at = 0; at < rest.length; at += 6000) {
      slow.write(rest.subarray(at, at + 6000));
      await delay(100);
    }
    await until(async () => slowAnswer.includes('HTTP/1.1 200 '));
  });

  test('an answer whose body is read byte by byte is cut off', async () => {
    const scene = await openScene('local disk', { limits: { minBodyRate: 100_000, bodyRateOverMs: 500 } });
    const transfer = transferOf(scene.stores.content, 'x', [file('', 32 * 1024 * 1024)]);
    const session = await openPush(scene, transfer);
    for (let chunk = 0; chunk < 512; chunk += 1) await session.putChunk(chunk);
    expect((await session.commit()).status).toBe(200);
    const socket = connect(scene.server.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    let isOver = false;
    socket.on('error', () => undefined).on('close', () => (isOver = true));
    socket.write(`GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`);
    socket.pause();
    const drip = setInterval(() => socket.read(1), 20);
    onTestFinished(() => clearInterval(drip));
    await until(async () => scene.logged.some((line) => line.includes('the answer was read slower than')));
    socket.resume();
    await until(async () => isOver);
    expect((await call(scene, 'HEAD', '/x', { token: ALICE })).status).toBe(200);
  });
});

describe('staging', () => {
  test('the staging of all pushes together stays within its limit, and a session that ends makes room', async () => {
    const scene = await openScene('memory', { limits: { maxStagingBytes: 100_000 } });
    const of = (target: string, bytes: number) =>
      transferOf(scene.stores.content, target, [directory(''), file('a', bytes)]);
    const first = await openPush(scene, of('first', 60_000));
    const second = await establish(scene, of('second', 60_000));
    await second.sendManifest();
    const busy = await second.sendPlan();
    expect([busy.status, busy.json.code, busy.headers['retry-after']]).toEqual([503, 'server-busy', '1']);
    const third = await establish(scene, of('third', 200_000));
    await third.sendManifest();
    expect((await third.sendPlan()).json.code).toBe('storage-full');
    // The same plan again takes nothing again.
    expect((await first.sendPlan()).status).toBe(200);
    await first.call('DELETE', '');
    expect((await second.sendPlan()).status).toBe(200);
    await scene.restart();
    const fourth = await establish(scene, of('fourth', 60_000));
    await fourth.sendManifest();
    await until(async () => (await fourth.sendPlan()).status === 503);
  });

  test('a plan that the staging limit refuses takes nothing of a quota, and the other way round', async () => {
    const of = (scene: Scene, target: string) =>
      transferOf(scene.stores.content, target, [directory(''), file('a', 60_000)]);
    const planned = async (scene: Scene, target: string) => {
      const session = await establish(scene, of(scene, target));
      await session.sendManifest();
      return { session, code: (await session.sendPlan()).json.code as string | undefined };
    };
    const withQuota = (bytes: number) => [createStaticToken(ALICE, { quota: { bytes } })];
    const staging = { maxStagingBytes: 100_000 };
    const roomy = await openScene('memory', { authenticators: withQuota(130_000), limits: staging });
    const first = await planned(roomy, 'first');
    expect(first.code).toBeUndefined();
    expect((await planned(roomy, 'second')).code).toBe('server-busy');
    await first.session.call('DELETE', '');
    // What was refused for want of room does not count: 60,000 of 130,000 for each of two.
    expect((await planned(roomy, 'third')).code).toBeUndefined();
    const tight = await openScene('memory', { authenticators: withQuota(70_000), limits: staging });
    const one = await planned(tight, 'one');
    expect((await planned(tight, 'two')).code).toBe('server-busy');
    await one.session.call('DELETE', '');
    const three = await planned(tight, 'three');
    expect(three.code).toBeUndefined();
    await three.session.call('DELETE', '');
    const large = await openScene('memory', { authenticators: withQuota(50_000), limits: staging });
    expect((await planned(large, 'a')).code).toBe('quota-exceeded');
    expect((await planned(large, 'b')).code).toBe('quota-exceeded');
  });

  test('a stream of unknown size stays within the staging limit, too', async () => {
    const scene = await openScene('memory', { limits: { maxStagingBytes: 150_000 } });
    const transfer = transferOf(scene.stores.content, 'x', [stream(Buffer.alloc(4 * 65_536))]);
    const session = await openPush(scene, transfer);
    expect((await session.putChunk(0)).status).toBe(200);
    expect((await session.putChunk(1)).status).toBe(200);
    expect((await session.putChunk(2)).json.code).toBe('storage-full');
  });

  test('a chunk of a stream that a quota or the disk refuses takes no room in staging', async () => {
    const space = { freeBytes: 10_000_000, totalBytes: 100_000_000 };
    const scene = await openScene('local disk', {
      authenticators: [
        createStaticToken(ALICE, { id: 'token:a', principal: 'a', quota: { bytes: 1000 } }),
        createStaticToken(BOB, { id: 'token:b', principal: 'b' }),
      ],
      limits: { maxStagingBytes: 30_000_000 },
      wrap: (content) => intercept(content, { space: async () => space }),
    });
    const streamOf = (name: string) => transferOf(scene.stores.content, name, [stream(Buffer.alloc(9))]);
    const far = { body: Buffer.alloc(65_536 + 8) };
    const first = await openPush(scene, streamOf('first'));
    const refused = await first.call('PUT', 'chunks/400', far);
    expect(refused.json.details).toMatchObject({ quota: 'bytes', limit: 1000 });
    const second = await openPush(scene, streamOf('second'), { token: BOB });
    const full = await second.call('PUT', 'chunks/400', far);
    expect([full.status, full.json.details]).toEqual([507, { limit: 'free-disk' }]);
    const other = transferOf(scene.stores.content, 'other', [file('', 5_000_000)]);
    expect((await openPush(scene, other, { token: BOB })).terms.epoch).toBe(1);
  });

  test('a chunk of a stream for which staging has no room counts for no quota', async () => {
    const scene = await openScene('memory', {
      authenticators: [createStaticToken(ALICE, { quota: { bytes: 400_000 } })],
      limits: { maxStagingBytes: 150_000 },
    });
    const session = await openPush(scene, transferOf(scene.stores.content, 'x', [stream(Buffer.alloc(9))]));
    const far = await session.call('PUT', 'chunks/5', { body: Buffer.alloc(65_536 + 8) });
    expect(far.json.code).toBe('storage-full');
    expect(
      (await openPush(scene, transferOf(scene.stores.content, 'y', [file('', 100_000)]))).terms.epoch,
    ).toBe(1);
  });

  test('pushes that ask for staging at the same time stay within its limit', async () => {
    const waiting: (() => void)[] = [];
    const content = intercept(createMemoryContentStore(), {
      space: () => new Promise((resolve) => waiting.push(() => resolve(undefined))),
    });
    const room = createStagingRoom(content, { maxStagingBytes: 10_000_000, keepFreeBytes: undefined });
    const asking = Promise.allSettled([
      room.take('a', 6_000_000, 0),
      room.take('b', 6_000_000, 0),
      room.takeDocuments('c', 6_000_000, { direction: 'push' }),
    ]);
    await until(async () => waiting.length === 3);
    for (const answer of waiting) answer();
    expect((await asking).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(room.bytes).toBe(6_000_000);
  });

  test('the staging of a pull needs no room on the disk, however large its manifest is', async () => {
    const root = temporaryDirectory();
    const deep = path.join(root, 'tree', ...Array.from({ length: 12 }, () => 'd'.repeat(250)));
    for (let at = 0; at < 400; at += 1)
      mkdirSync(path.join(deep, `${at}`.padStart(250, 'd')), { recursive: true });
    const scene = await openScene('local disk', {
      root,
      wrap: (content) =>
        intercept(content, { space: async () => ({ freeBytes: 0, totalBytes: 100_000_000 }) }),
    });
    const session = await establish(scene, transferOf(scene.stores.content, 'tree', [directory('')]), 'pull');
    const { status, body } = await session.call('GET', 'manifest');
    expect([status, body.byteLength > 1024 ** 2]).toEqual([200, true]);
  });

  test('staging leaves the disk the room that has to stay free', async () => {
    const space = { freeBytes: 10_000_000, totalBytes: 100_000_000 };
    const scene = await openScene('local disk', {
      wrap: (content) => intercept(content, { space: async () => space }),
    });
    const of = (bytes: number) => transferOf(scene.stores.content, 'x', [file('', bytes)]);
    const large = await establish(scene, of(5_000_001));
    await large.sendManifest();
    const full = await large.sendPlan();
    expect([full.status, full.json.code]).toEqual([507, 'storage-full']);
    expect(full.json.detail).toContain('and 4.77 MiB of them have to stay free');
    expect((await openPush(scene, of(5_000_000))).terms.state).toBe('establishing');
    // Nothing to bring: names and times need no room.
    space.freeBytes = 0;
    expect((await openPush(scene, transferOf(scene.stores.content, 'y', [directory('')]))).terms.epoch).toBe(
      1,
    );
  });

  test('manifests count as staging, also of pushes that bring nothing, and refused ones give their room back', async () => {
    const scene = await openScene('local disk', { limits: { maxStagingBytes: 100_000 } });
    const wide = (target: string, count: number) =>
      transferOf(scene.stores.content, target, [
        directory(''),
        ...Array.from({ length: count }, (_, at) =>
          directory(`${String(at).padStart(9, '0')}${'d'.repeat(191)}`),
        ),
      ]);
    const first = await establish(scene, wide('first', 300));
    expect((await first.sendManifest()).status).toBe(200);
    const second = await establish(scene, wide('second', 300));
    const busy = await second.sendManifest();
    expect([busy.status, busy.json.code, busy.json.details]).toEqual([
      503,
      'server-busy',
      { limit: 'staging' },
    ]);
    const third = await establish(scene, wide('third', 600));
    expect((await third.sendManifest()).json.code).toBe('storage-full');
    expect((await first.sendPlan()).status).toBe(200);
    expect((await second.sendManifest()).json.code).toBe('server-busy');
    await first.call('DELETE', '');
    expect((await second.sendManifest()).status).toBe(200);
    await scene.restart();
    const fourth = await establish(scene, wide('fourth', 300));
    await until(async () => (await fourth.sendManifest()).status === 503);
  });

  test('a large manifest is refused with an answer that arrives, even if the connection is to be closed', async () => {
    const scene = await openScene('memory', { limits: { maxStagingBytes: 1000 } });
    const session = await establish(scene, transferOf(scene.stores.content, 'x', [directory('')]));
    const answer = await session.call('PUT', 'manifest', {
      headers: { connection: 'close' },
      body: Buffer.alloc(40_000_000, 'x'),
    });
    expect([answer.status, answer.json.code]).toEqual([507, 'storage-full']);
  });

  test('a manifest of unannounced length stays within the staging limit, too', async () => {
    const scene = await openScene('memory', { limits: { maxStagingBytes: 1000 } });
    const names = Array.from({ length: 100 }, (_, at) => directory(String(at).padStart(9, '0')));
    const session = await establish(scene, transferOf(scene.stores.content, 'x', [directory(''), ...names]));
    const body = [...encodeTree(session.transfer.manifest)].join('');
    const answer = await raw(
      scene,
      [
        `PUT /.cairn/v1/sessions/${session.terms.session}/manifest HTTP/1.1`,
        'Host: a',
        ...Object.entries(session.headers).map(([name, value]) => `${name}: ${value}`),
        'Transfer-Encoding: chunked',
        'Connection: close',
        '',
        `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      ].join('\r\n'),
    );
    expect(answer).toContain('HTTP/1.1 507 ');
  });

  test('staging is recounted as the sum of the records, whatever was counted before', async () => {
    const room = createStagingRoom(createMemoryContentStore(), DEFAULT_LIMITS);
    await room.take('gone', 5, 0);
    await room.take('kept', 7, 0);
    const recount = room.recount();
    recount.note(recordOf('a', { id: 'kept', pass: { bytesTotal: 7 } }));
    recount.note(recordOf('a', { id: 'found', pass: { bytesTotal: 11 } }));
    recount.note(recordOf('a', { id: 'over', state: 'expired', pass: { bytesTotal: 7 } }));
    await room.take('new', 13, 0);
    recount.done();
    expect(room.bytes).toBe(7 + 11 + 13);
    room.release('found');
    room.release('nobody');
    expect(room.bytes).toBe(20);
  });
});

test('a server that is full of sessions of one user answers another user', async () => {
  const scene = await openScene('memory', { limits: { maxSessions: 1 } });
  const transfer = transferOf(scene.stores.content, 'x', [file('', 'x')]);
  await establish(scene, transfer);
  await expect(establish(scene, transfer)).rejects.toThrow('503');
  expect((await call(scene, 'GET', '/x', { token: BOB })).status).toBe(404);
});
