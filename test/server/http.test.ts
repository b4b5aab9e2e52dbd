import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { CairnError } from '../../src/base/errors.ts';
import { protocolRootOf } from '../../src/wire/routes.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { startServer } from '../../src/server/server.ts';
import { directory, file, putTree, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, call, establishRequest, openPush, openScene, raw, type Scene } from './by-hand.ts';

const SESSIONS = '/.cairn/v1/sessions';

test('a server tells every client its name and version', async () => {
  const scene = await openScene('memory');
  const answer = await call(scene, 'GET', '/.cairn/v1/');
  const protocol = { major: 1, minor: 0 };
  const channels = ['cairn-channel/1'];
  expect(answer.json).toEqual({
    server: 'cairn',
    version: '0.0.0-test',
    protocol,
    channels,
    treeIds: true,
    deletions: true,
    metadata: { push: [], pull: [] },
  });
  const head = await call(scene, 'HEAD', '/.cairn/v1/');
  expect([head.status, head.body.length]).toEqual([200, 0]);
});

test.each(['/', '/a', '/a/b/', '/a/b/c', '/.cairn/v1/x', '/.cairn/v9/'])(
  'an answer to %s leads to the protocol root',
  async (target) => {
    const scene = await openScene('memory');
    for (const method of ['HEAD', 'GET', 'POST']) {
      const { headers } = await call(scene, method, target);
      const link = headers['link'] as string;
      expect(protocolRootOf(link, new URL(target, scene.server.url))?.href).toBe(
        `${scene.server.url}/.cairn/v1/`,
      );
      expect(headers['x-content-type-options']).toBe('nosniff');
    }
  },
);

test('a server answers HTTP/1.0 without a Host, with one, and not with two', async () => {
  const scene = await openScene('memory');
  const ask = (...hosts: string[]): Promise<string> =>
    raw(
      scene,
      ['GET /.cairn/healthz HTTP/1.0', ...hosts.map((host) => `Host: ${host}`), '', ''].join('\r\n'),
    );
  expect(await ask()).toMatch(/^HTTP\/1\.1 200 [^]*\{"status":"ok"\}$/);
  expect(await ask('a')).toMatch(/^HTTP\/1\.1 200 /);
  expect(await ask('a', 'b')).toMatch(/^HTTP\/1\.1 400 /);
});

test('a server asks a request without a valid token for one', async () => {
  const scene = await openScene('memory');
  for (const token of [undefined, 'wrong']) {
    for (const [method, target] of [
      ['GET', '/x'],
      ['POST', SESSIONS],
      ['GET', '/.cairn/v1/tree?path=/'],
    ] as const) {
      const answer = await call(scene, method, target, { token });
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(answer.json.code).toBe('unauthenticated');
    }
  }
});

test('a server refuses other versions, routes and methods by name', async () => {
  const scene = await openScene('memory');
  const get = async (method: string, target: string): Promise<unknown[]> => {
    const answer = await call(scene, method, target, { token: ALICE });
    return [answer.status, answer.json.code, answer.headers['allow']];
  };
  expect(await get('GET', '/.cairn/v2/sessions')).toEqual([400, 'version-unsupported', undefined]);
  expect(await get('GET', '/.cairn/v0/')).toEqual([400, 'version-unsupported', undefined]);
  expect(await get('GET', '/.cairn')).toEqual([404, 'not-found', undefined]);
  expect(await get('GET', '/.cairn/token')).toEqual([404, 'not-found', undefined]);
  expect(await get('GET', '/.cairn/v1/nothing')).toEqual([404, 'not-found', undefined]);
  expect(await get('GET', `${SESSIONS}/short/manifest`)).toEqual([404, 'not-found', undefined]);
  expect(await get('PUT', SESSIONS)).toEqual([405, 'method-not-allowed', 'POST, GET']);
  expect(await get('PUT', '/file')).toEqual([405, 'method-not-allowed', 'GET, HEAD']);
  const body = JSON.stringify({ ...request(scene, '/x'), protocol: { major: 2, minor: 0 } });
  expect((await call(scene, 'POST', SESSIONS, { token: ALICE, body })).json.code).toBe('version-unsupported');
});

function request(scene: Scene, target: string): object {
  return establishRequest(transferOf(scene.stores.content, 'x', [file('', 'x')]), 'push', target);
}

test.each([
  ['/a/../b', 'path-unsafe'],
  ['/%2e%2e/etc/passwd', 'path-unsafe'],
  ['/a%2Fb', 'path-unsafe'],
  ['/a%00b', 'path-unsafe'],
  ['/a//b', 'path-unsafe'],
  ['/%ff', 'path-unsafe'],
  ['/a/.cairn/x', 'path-reserved'],
  ['/%2ecairn/token', 'path-reserved'],
  [`/${'x'.repeat(256)}`, 'path-too-long'],
])('a server refuses %s as a target and as a file', async (target, code) => {
  const scene = await openScene('local disk');
  const body = JSON.stringify(request(scene, target));
  expect((await call(scene, 'POST', SESSIONS, { token: ALICE, body })).json.code).toBe(code);
  expect((await call(scene, 'GET', target, { token: ALICE })).json.code).toBe(code);
});

test('a server refuses requests that proxies could read in two ways', async () => {
  const scene = await openScene('memory');
  const first = (answer: string): string => answer.split('\r\n')[0]!;
  const auth = `Authorization: Bearer ${ALICE}\r\n`;
  expect(first(await raw(scene, `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${auth}\r\n`))).toContain(' 400 ');
  expect(first(await raw(scene, `GET / HTTP/1.1\r\n${auth}\r\n`))).toContain(' 400 ');
  expect(first(await raw(scene, `GET http://a/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`))).toContain(' 400 ');
  expect(first(await raw(scene, 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n'))).toContain(' 405 ');
  expect(first(await raw(scene, 'nonsense\r\n\r\n'))).toContain(' 400 ');
  expect(first(await raw(scene, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`))).toContain(
    ' 431 ',
  );
});

test('a server refuses JSON that is too long, not valid or no JSON', async () => {
  const scene = await openScene('memory');
  const codeOf = async (body: string): Promise<string> =>
    (await call(scene, 'POST', SESSIONS, { token: ALICE, body })).json.code as string;
  expect(await codeOf(`"${'x'.repeat(70_000)}"`)).toBe('invalid-request');
  expect(await codeOf('{')).toBe('invalid-request');
  expect(await codeOf('{}')).toBe('invalid-request');
  expect(await codeOf(JSON.stringify({ ...request(scene, '/x'), digests: ['md5'] }))).toBe('invalid-request');
  expect(
    await codeOf(JSON.stringify({ ...request(scene, '/x'), digests: ['md5', 'sha256'] })),
  ).toBeUndefined();
});

test('a server refuses a chunk before its body if the client waits for that', async () => {
  const scene = await openScene('memory');
  const session = await openPush(
    scene,
    transferOf(scene.stores.content, 'x', [directory(''), file('a', 'bytes')]),
  );
  const head = (chunk: number): string =>
    [
      `PUT ${SESSIONS}/${session.terms.session}/chunks/${chunk} HTTP/1.1`,
      'Host: a',
      'Expect: 100-continue',
      'Content-Length: 13',
      ...Object.entries(session.headers).map(([name, value]) => `${name}: ${value}`),
      '\r\n',
    ].join('\r\n');
  const refused = await raw(scene, head(7));
  expect(refused).toMatch(/^HTTP\/1.1 400 /);
  expect(refused.toLowerCase()).toContain('connection: close');
  expect(await raw(scene, head(0), 300)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
});

test('a server serves the next request on a connection whose last one was refused with its body', async () => {
  const scene = await openScene('memory');
  const body = 'x'.repeat(100_000);
  const post = `POST ${SESSIONS} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const answer = await raw(scene, `${post}GET /.cairn/v1/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1.1 401 /);
  expect(answer).toContain('{"server":"cairn"');
});

test('a server ends the connection of a client that does not read its answer', async () => {
  const scene = await openScene('memory', { limits: { idleBodyMs: 200 } });
  const transfer = transferOf(scene.stores.content, 'x', [file('', 64 * 1024 * 1024)]);
  const session = await openPush(scene, transfer);
  await session.call('DELETE', '');
  await putTree(scene.stores.content, 'x', transfer.items);
  const socket = connect(scene.server.port, '127.0.0.1');
  socket.pause();
  socket.write(`GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`);
  await vi.waitFor(() => expect(scene.logged.join()).toContain('connection lost'), { timeout: 120_000 });
  let received = 0;
  const closed = new Promise((resolve) => socket.on('close', resolve).on('error', () => undefined));
  socket.on('data', (piece) => (received += piece.length));
  socket.resume();
  await closed;
  expect(received).toBeLessThan(64 * 1024 * 1024);
});

test('a server refuses new requests while it is drained, and lets the old ones end', async () => {
  const scene = await openScene('memory');
  const session = await openPush(
    scene,
    transferOf(scene.stores.content, 'x', [file('', 'y'.repeat(65_536))]),
  );
  const socket = await session.beginChunk(0, 1000);
  let answer = '';
  socket.on('data', (piece) => (answer += piece.toString()));
  await delay(50);
  const draining = scene.server.drain({ graceMs: 5000 });
  await expect(call(scene, 'GET', '/')).rejects.toThrow('ECONNREFUSED');
  socket.write(session.chunkBody(0).subarray(1000));
  await draining;
  await delay(50);
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
});

test('a server that cannot listen says which port is taken, or that the address is not there', async () => {
  const scene = await openScene('memory');
  const start = (host: string, port: number) =>
    startServer({
      ...scene.stores,
      authenticators: [createStaticToken('x')],
      listen: { host, port },
      version: '0',
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    });
  const errorOf = async (doing: Promise<unknown>): Promise<unknown> => doing.catch((error: unknown) => error);
  const taken = (await errorOf(start('127.0.0.1', scene.server.port))) as CairnError;
  expect([taken.code, taken.message]).toEqual([
    'address-in-use',
    expect.stringContaining(String(scene.server.port)),
  ]);
  expect(((await errorOf(start('203.0.113.7', 0))) as CairnError).code).toBe('address-unavailable');
});
