import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { SessionDetails, SessionSummary, WhoAmI } from '../../src/wire/admin-messages.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import {
  ALICE,
  BOB,
  KINDS,
  call,
  establish,
  linesOf,
  openPush,
  openScene,
  until,
  type Answer,
  type Scene,
} from './by-hand.ts';

const ADMIN = 'admin-secret-0123456789abcdefghijklmnopqrst';
const CONFINED = 'confined-secret-0123456789abcdefghijklmnopq';
const READER = 'reader-secret-0123456789abcdefghijklmnopqrs';
const SESSIONS = '/.cairn/v1/sessions';
const authenticators = [
  createStaticToken(ALICE, { id: 'token:alice', principal: 'alice', scopes: ['read', 'write', 'list'] }),
  createStaticToken(READER, { id: 'token:reader', principal: 'alice', scopes: ['read'] }),
  createStaticToken(BOB, { id: 'token:bob', principal: 'bob', scopes: ['read', 'write'] }),
  createStaticToken(ADMIN, { id: 'token:admin', principal: 'ops', scopes: ['admin'] }),
  createStaticToken(CONFINED, {
    id: 'token:confined',
    principal: 'ops',
    scopes: ['admin'],
    pathPrefix: 'elsewhere',
  }),
];

/** Three chunks of 64 KiB. */
function sample({ stores }: Scene, name = 'in'): SampleTransfer {
  return transferOf(stores.content, name, [file('', 'x'.repeat(3 * 64 * 1024))]);
}

function list(scene: Scene, token: string, query = ''): Promise<Answer> {
  return call(scene, 'GET', `${SESSIONS}${query}`, { token });
}

/** The summaries of a list, checked as a client does. */
function summariesOf(answer: Answer): SessionSummary[] {
  const lines = linesOf(answer);
  expect(lines.at(-1)).toEqual({ end: lines.length - 1 });
  return lines.slice(0, -1).map((line) => v.parse(SessionSummary, line));
}

async function show(scene: Scene, token: string, id: string): Promise<SessionDetails> {
  return v.parse(SessionDetails, (await call(scene, 'GET', `${SESSIONS}/${id}`, { token })).json);
}

const whatsOf = ({ history }: SessionDetails): string[] => history.map(({ what }) => what);

describe.each(KINDS)('over %s', (kind) => {
  const open = (changes = {}): Promise<Scene> => openScene(kind, { authenticators, ...changes });

  test('an administrator sees every session, another user the own ones, and a client without a token none', async () => {
    const scene = await open();
    const { terms } = await openPush(scene, sample(scene));
    expect(summariesOf(await list(scene, ADMIN)).map(({ session }) => session)).toEqual([terms.session]);
    expect(summariesOf(await list(scene, ALICE)).map(({ owner }) => owner)).toEqual(['alice']);
    expect(summariesOf(await list(scene, BOB))).toEqual([]);
    expect(summariesOf(await list(scene, CONFINED))).toEqual([]);
    expect((await call(scene, 'GET', SESSIONS)).status).toBe(401);
  });

  test('the session of another principal does not exist for a token, whatever the request wants', async () => {
    const scene = await open();
    const session = await openPush(scene, sample(scene));
    const target = `${SESSIONS}/${session.terms.session}`;
    const missing = `${SESSIONS}/${'A'.repeat(22)}`;
    for (const method of ['GET', 'DELETE']) {
      for (const token of [BOB, CONFINED]) {
        const [there, nowhere] = [
          await call(scene, method, target, { token }),
          await call(scene, method, missing, { token }),
        ];
        expect([there.status, there.json.code]).toEqual([404, 'session-not-found']);
        expect(there.body).toEqual(nowhere.body);
      }
    }
    expect((await session.putChunk(0)).status).toBe(200);
  });

  test('a list of sessions can be limited to a state and an owner, and other values are refused', async () => {
    const scene = await open();
    const suspended = await openPush(scene, sample(scene, 'a'));
    await openPush(scene, sample(scene, 'b'));
    await suspended.post('POST', 'suspend');
    const only = summariesOf(await list(scene, ADMIN, '?state=suspended'));
    expect(only.map(({ session, state }) => [session, state])).toEqual([
      [suspended.terms.session, 'suspended'],
    ]);
    expect(summariesOf(await list(scene, ADMIN, '?owner=alice'))).toHaveLength(2);
    expect(summariesOf(await list(scene, ADMIN, '?owner=bob'))).toEqual([]);
    expect((await list(scene, ADMIN, '?state=dead')).json.code).toBe('invalid-request');
    expect((await list(scene, ADMIN, '?owner=')).json.code).toBe('invalid-request');
    expect((await list(scene, ADMIN, '?state=__proto__')).json.code).toBe('invalid-request');
  });

  test('the progress of a session is shown, in memory and after a restart, and no secret', async () => {
    const scene = await open();
    const session = await openPush(scene, sample(scene));
    await session.putChunk(0);
    await session.post('POST', 'sync');
    const [live] = summariesOf(await list(scene, ALICE));
    expect(live).toMatchObject({
      target: 'in',
      state: 'open',
      direction: 'push',
      epoch: 1,
      resumes: 0,
      bytesTotal: 3 * 65_536,
      bytesDone: 65_536,
      chunksTotal: 3,
      chunksDone: 1,
      authorization: { id: 'token:alice', expiresAtMs: null },
      inMemory: true,
      lastError: null,
    });
    expect(live!.addresses).toHaveLength(1);
    await scene.restart('drain');
    const details = await show(scene, ALICE, session.terms.session);
    expect(details).toMatchObject({
      state: 'suspended',
      bytesTotal: 3 * 65_536,
      bytesDone: 65_536,
      chunksDone: null,
      inMemory: false,
      chunkSizeBytes: 65_536,
    });
    expect(whatsOf(details)).toEqual(['established', 'opened', 'suspended']);
    expect(details.history.at(-1)).toMatchObject({ what: 'suspended', why: 'shutdown', epoch: 1 });
    expect(JSON.stringify(details)).not.toMatch(/[0-9a-f]{64}/);
    expect(JSON.stringify(details)).not.toContain(session.terms.credential);
  });

  test('names of sessions are printable, however a client chose them', async () => {
    const scene = await open();
    const transfer = { ...sample(scene), target: 'a%1b%5B2J' };
    await establish(scene, transfer);
    const answer = await list(scene, ALICE);
    expect(answer.body.includes(0x1b)).toBe(false);
    expect(summariesOf(answer)[0]!.target).toBe(String.raw`a\x1b[2J`);
  });

  test('the last error of a session is shown, also after a restart', async () => {
    const scene = await open();
    const session = await openPush(scene, sample(scene));
    await session.call('PUT', 'chunks/0', { body: Buffer.alloc(65_544) });
    const [summary] = summariesOf(await list(scene, ALICE));
    expect(summary!.lastError).toMatchObject({ code: 'chunk-digest-mismatch' });
    await session.post('POST', 'suspend');
    await scene.restart();
    const details = await show(scene, ALICE, session.terms.session);
    expect(details.lastError).toMatchObject({ code: 'chunk-digest-mismatch' });
  });

  test('an abort frees the staging before it is answered, and the client learns of it', async () => {
    const scene = await open();
    const session = await openPush(scene, sample(scene));
    await session.putChunk(0);
    const socket = await session.beginChunk(1, 30_000);
    const cut = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (bytes) => (text += bytes.toString())).on('close', () => resolve(text));
    });
    await until(async () => summariesOf(await list(scene, ADMIN))[0]!.requests === 1);
    const target = `${SESSIONS}/${session.terms.session}`;
    const answer = await call(scene, 'DELETE', target, { token: ADMIN });
    expect(answer.status).toBe(200);
    expect(await scene.stores.content.listStaging()).toEqual([]);
    expect(await cut).toContain('session-aborted');
    for (const asked of [await session.putChunk(1), await session.resume()]) {
      expect([asked.status, asked.json.code]).toEqual([410, 'session-aborted']);
    }
    const details = await show(scene, ALICE, session.terms.session);
    expect(details.state).toBe('aborted');
    expect(details.history.at(-1)).toMatchObject({
      what: 'aborted',
      why: 'administrator',
      by: 'token:admin',
    });
    // Again is fine, and writes nothing.
    const before = (await scene.stores.sessions.get(session.terms.session))!.version;
    expect((await call(scene, 'DELETE', target, { token: ADMIN })).status).toBe(200);
    expect((await scene.stores.sessions.get(session.terms.session))!.version).toBe(before);
    expect(await scene.stores.content.listStaging()).toEqual([]);
  });

  test('an owner can abort the own session, with a scope that allows it', async () => {
    const scene = await open();
    const session = await openPush(scene, sample(scene));
    await session.post('POST', 'suspend');
    await scene.restart();
    const target = `${SESSIONS}/${session.terms.session}`;
    expect((await call(scene, 'DELETE', target, { token: READER })).json.code).toBe('forbidden');
    expect((await call(scene, 'DELETE', target, { token: ALICE })).status).toBe(200);
    const details = await show(scene, READER, session.terms.session);
    expect(details.history.at(-1)).toMatchObject({ what: 'aborted', why: 'owner', by: 'token:alice' });
  });

  test('a committed session cannot be aborted', async () => {
    const scene = await open();
    const session = await openPush(scene, sample(scene));
    for (const chunk of [0, 1, 2]) await session.putChunk(chunk);
    expect((await session.commit()).status).toBe(200);
    const target = `${SESSIONS}/${session.terms.session}`;
    expect((await call(scene, 'DELETE', target, { token: ADMIN })).json.code).toBe('session-state');
    const details = await show(scene, ALICE, session.terms.session);
    expect(details).toMatchObject({ state: 'committed', bytesDone: 3 * 65_536 });
    expect(whatsOf(details)).toEqual(['established', 'opened', 'committing', 'committed']);
  });

  test('the history of a session names who resumed it, and a fenced client once in an epoch', async () => {
    const scene = await open();
    const session = await openPush(scene, sample(scene));
    const older = session.headers;
    await session.resume();
    const target = `${SESSIONS}/${session.terms.session}/sync`;
    for (let attempt = 0; attempt < 3; attempt++) {
      const answer = await call(scene, 'POST', target, { headers: older, body: '{}' });
      expect(answer.json.code).toBe('session-fenced');
    }
    // Who never was a client of it leaves nothing behind.
    const version = (await scene.stores.sessions.get(session.terms.session))!.version;
    for (let attempt = 0; attempt < 3; attempt++) {
      const headers = { ...older, 'cairn-credential': `${'x'.repeat(42)}${attempt}` };
      await call(scene, 'POST', target, { headers, body: '{}' });
    }
    expect((await scene.stores.sessions.get(session.terms.session))!.version).toBe(version);
    const details = await show(scene, ALICE, session.terms.session);
    expect(whatsOf(details)).toEqual(['established', 'opened', 'resumed', 'fenced']);
    expect(details.history[3]).toMatchObject({ epoch: 2 });
    expect(details.history[3]!.from).toContain('127.0.0.1');
  });

  test('a commit that fails is kept in the history with its code, once in an epoch', async () => {
    const scene = await open();
    const session = await openPush(scene, sample(scene));
    for (let attempt = 0; attempt < 3; attempt++) {
      expect((await session.commit()).json.code).toBe('chunks-missing');
    }
    const { history } = await show(scene, ALICE, session.terms.session);
    expect(history.filter(({ what }) => what === 'commit-failed')).toEqual([
      expect.objectContaining({ why: 'chunks-missing', epoch: 1 }),
    ]);
  });

  test('an expiry is kept in the history of a session, with the reason', async () => {
    const scene = await open({ leaseMs: 60_000 });
    const session = await openPush(scene, sample(scene));
    scene.clock.aheadMs = 61_000;
    expect((await session.resume()).json.code).toBe('session-expired');
    const { history } = await show(scene, ADMIN, session.terms.session);
    expect(history.at(-1)).toMatchObject({ what: 'expired', why: 'lease-over' });
  });

  test('a client can ask what its token allows', async () => {
    const scene = await open();
    const answer = await call(scene, 'GET', '/.cairn/v1/whoami', { token: CONFINED });
    expect(v.parse(WhoAmI, answer.json)).toMatchObject({
      id: 'token:confined',
      principal: 'ops',
      scopes: ['admin'],
      path: 'elsewhere',
      expiresAtMs: null,
      quota: null,
    });
    expect((await call(scene, 'GET', '/.cairn/v1/whoami')).status).toBe(401);
  });
});

test('an idle session leaves memory, and its progress stays known', async () => {
  const limits = { collectEveryMs: 20, idleSessionMs: 50 };
  const scene = await openScene('local disk', { authenticators, limits });
  const session = await openPush(scene, sample(scene));
  await session.putChunk(0);
  await until(async () => !(await show(scene, ALICE, session.terms.session)).inMemory);
  const details = await show(scene, ALICE, session.terms.session);
  expect(details).toMatchObject({ state: 'open', bytesDone: 65_536 });
  expect(details.history.at(-1)).toMatchObject({ what: 'unloaded', why: 'idle' });
  expect((await session.putChunk(1)).status).toBe(200);
});

test('ten thousand sessions are listed in pieces, and the server answers other requests meanwhile', async () => {
  const scene = await openScene('local disk', { authenticators });
  const { terms } = await openPush(scene, sample(scene));
  const record = (await scene.stores.sessions.get(terms.session))!;
  for (let from = 0; from < 10_000; from += 500) {
    const numbers = Array.from({ length: 500 }, (_, index) => from + index);
    await Promise.all(
      numbers.map((number) =>
        scene.stores.sessions.create({ ...record, id: String(number).padStart(22, '0'), version: 1 }),
      ),
    );
  }
  const listing = list(scene, ADMIN);
  let answered = 0;
  const over = new AbortController();
  void listing.finally(() => over.abort());
  while (!over.signal.aborted) {
    await call(scene, 'GET', '/.cairn/v1/');
    answered += 1;
  }
  expect(summariesOf(await listing)).toHaveLength(10_001);
  // The list is made in fifty pieces, and nobody waits for more than one of them.
  expect(answered).toBeGreaterThan(5);
});

test('a client that goes away in the middle of a list leaves the server able to list', async () => {
  const scene = await openScene('memory', { authenticators });
  await openPush(scene, sample(scene));
  const socket = connect(scene.server.port, '127.0.0.1');
  socket.write(`GET ${SESSIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN}\r\n\r\n`, () =>
    socket.destroy(),
  );
  await delay(50);
  expect((await list(scene, ADMIN)).status).toBe(200);
});

describe('probes', () => {
  const PROBE = '/.cairn/v1/probe';

  test('a probe says how many bytes came, and when', async () => {
    const scene = await openScene('memory', { authenticators });
    const body = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(scene.server.port, '127.0.0.1', () => void sendSlowly());
      const sendSlowly = async (): Promise<void> => {
        socket.write(
          `POST ${PROBE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${READER}\r\nContent-Length: 30\r\nConnection: close\r\n\r\n`,
        );
        for (let piece = 0; piece < 3; piece++) {
          socket.write('0123456789');
          await delay(100);
        }
      };
      socket.on('data', (bytes) => (text += bytes.toString())).on('close', () => resolve(text));
    });
    const { bytes, arrivals } = JSON.parse(body.slice(body.indexOf('\r\n\r\n')));
    expect([bytes, arrivals.length]).toEqual([30, 3]);
    expect(arrivals[2][0] - arrivals[0][0]).toBeGreaterThan(150);
  });

  test('a probe is answered in pieces, after a silence', async () => {
    const scene = await openScene('memory', { authenticators });
    const startMs = performance.now();
    const answer = await call(scene, 'GET', `${PROBE}?silentMs=200&pieces=3&everyMs=100`, { token: BOB });
    expect([answer.status, answer.body.length]).toEqual([200, 3 * 1024]);
    expect(performance.now() - startMs).toBeGreaterThan(390);
  });

  test('a probe needs a token, and has limits', async () => {
    const scene = await openScene('memory', { authenticators });
    expect((await call(scene, 'GET', PROBE)).status).toBe(401);
    expect((await call(scene, 'POST', PROBE, { body: 'x' })).status).toBe(401);
    const codes: string[] = [];
    for (const query of ['silentMs=120001', 'pieces=33', 'everyMs=2001', 'pieces=-1', 'silentMs=1e3']) {
      codes.push((await call(scene, 'GET', `${PROBE}?${query}`, { token: BOB })).json.code);
    }
    expect(codes).toEqual(Array.from({ length: 5 }, () => 'invalid-request'));
    const headers = { 'content-length': String(9 * 1024 * 1024), 'expect': '100-continue' };
    const answer = await call(scene, 'POST', PROBE, { token: BOB, headers });
    expect(answer.json.code).toBe('invalid-request');
  });

  test('probes are answered for a few clients at a time, and a client that leaves makes room', async () => {
    const scene = await openScene('memory', { authenticators });
    const sockets = Array.from({ length: 32 }, () => {
      const socket = connect(scene.server.port, '127.0.0.1');
      socket.write(`GET ${PROBE}?silentMs=60000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${BOB}\r\n\r\n`);
      return socket.on('error', () => undefined);
    });
    const probe = (): Promise<Answer> => call(scene, 'POST', PROBE, { token: BOB, body: 'x' });
    await until(async () => (await probe()).json.code === 'server-busy');
    for (const socket of sockets) socket.destroy();
    await until(async () => (await probe()).status === 200);
  });
});

test('a session record keeps what the last requests left, for after a restart', async () => {
  const scene = await openScene('local disk', { authenticators });
  const session = await openPush(scene, sample(scene));
  await session.putChunk(0);
  await session.post('POST', 'suspend');
  const record = (await scene.stores.sessions.get(session.terms.session))!;
  expect(record.pass).toMatchObject({ bytesTotal: 3 * 65_536, bytesDone: 65_536 });
  expect(record.history!.at(-1)).toMatchObject({ what: 'suspended', why: 'client', by: 'token:alice' });
  expect(JSON.stringify(record)).not.toContain(session.terms.credential);
});
