/** Sessions of others, credentials that were stolen, and clients that only take up room. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { sessionIdOf } from '../../src/session/credential.ts';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, BOB, call, establish, openPush, until, type HandSession } from '../server/by-hand.ts';
import { attack, openFortress, request, ROOT, type Fortress } from './support/raw.ts';

const transfer = (fortress: Fortress) =>
  transferOf(fortress.scene.stores.content, 'tree', [directory(''), file('a', 70_000)]);

const ROUTES = [
  ['POST', 'resume'],
  ['PUT', 'manifest'],
  ['GET', 'manifest'],
  ['PUT', 'plan'],
  ['GET', 'checkpoint'],
  ['PUT', 'chunks/0'],
  ['HEAD', 'chunks/0'],
  ['GET', 'chunks/0'],
  ['POST', 'digests'],
  ['POST', 'sync'],
  ['POST', 'heartbeat'],
  ['POST', 'suspend'],
  ['POST', 'commit'],
  ['DELETE', ''],
] as const;

test('a session of another user looks like none, whatever is shown beside the own token', async () => {
  const fortress = await openFortress();
  const session = await openPush(fortress.scene, transfer(fortress));
  for (const [method, route] of ROUTES) {
    const target = `${ROOT}sessions/${session.terms.session}${route === '' ? '' : `/${route}`}`;
    const absent = `${ROOT}sessions/${'A'.repeat(22)}${route === '' ? '' : `/${route}`}`;
    // Even with the true credential: a token of somebody else says that it was stolen.
    for (const headers of [session.headers, { ...session.headers, 'cairn-credential': 'B'.repeat(43) }]) {
      const theirs = await call(fortress.scene, method, target, { token: BOB, headers });
      const none = await call(fortress.scene, method, absent, { token: BOB, headers });
      expect([route, theirs.status, none.status]).toEqual([route, 404, 404]);
      expect(theirs.body.toString()).toBe(none.body.toString());
    }
  }
  // An establish of the same target by somebody else does not find it either.
  const body = JSON.stringify({
    protocol: { major: 1, minor: 0 },
    direction: 'push',
    target: '/tree',
    digests: ['xxh64'],
    chunkSizeBytes: 65_536,
    parallel: 1,
    manifestId: session.transfer.manifest.id,
  });
  const found = await call(fortress.scene, 'POST', `${ROOT}sessions`, { token: BOB, body });
  expect([found.status, found.json.resumed]).toEqual([201, false]);
  expect(found.json.session).not.toBe(session.terms.session);
  expect((await session.putChunk(0)).status).toBe(200);
  await fortress.expectUnharmed();
});

test('a guessed credential or epoch opens nothing, and the session of the owner goes on', async () => {
  const fortress = await openFortress();
  const session = await openPush(fortress.scene, transfer(fortress));
  const { credential } = session.terms;
  for (const guess of [
    '',
    'x',
    credential.slice(1),
    `${credential}=`,
    credential.toLowerCase(),
    '\t',
    '*',
    'null',
  ]) {
    const headers = { ...session.headers, 'cairn-credential': guess };
    const bytes = request('PUT', `${ROOT}sessions/${session.terms.session}/chunks/0`, headers);
    const { statuses } = await attack(fortress.port, bytes, { quietMs: 20 });
    // No 403 and no 409: those would tell that there is such a session, and its epoch.
    expect([guess, [400, 401, 404].includes(statuses[0]!)]).toEqual([guess, true]);
  }
  for (const epoch of ['0', '-1', '2', '1e0', '1.0', '9'.repeat(30), '', '0x1', ' 1 1']) {
    const headers = { ...session.headers, 'cairn-epoch': epoch };
    const bytes = request('PUT', `${ROOT}sessions/${session.terms.session}/chunks/0`, headers);
    const { statuses } = await attack(fortress.port, bytes, { quietMs: 20 });
    expect([epoch, [400, 401, 409].includes(statuses[0]!)]).toEqual([epoch, true]);
  }
  expect((await session.putChunk(0)).status).toBe(200);
  await fortress.expectUnharmed();
});

test('a session looks like none to a request without a token, in whatever state the session is', async () => {
  const fortress = await openFortress();
  const { scene } = fortress;
  const session = await openPush(scene, transfer(fortress));
  const expectAbsent = async (): Promise<void> => {
    for (const [method, route] of ROUTES) {
      const path = route === '' ? '' : `/${route}`;
      for (const epoch of ['1', '2', '7']) {
        const headers = { 'cairn-credential': 'B'.repeat(43), 'cairn-epoch': epoch };
        const theirs = await call(scene, method, `${ROOT}sessions/${session.terms.session}${path}`, {
          headers,
        });
        const none = await call(scene, method, `${ROOT}sessions/${'A'.repeat(22)}${path}`, { headers });
        expect([method, route, theirs.status]).toEqual([method, route, none.status]);
        expect(theirs.body.toString()).toBe(none.body.toString());
        expect(theirs.headers['cairn-error']).toBe(none.headers['cairn-error']);
      }
    }
  };
  await expectAbsent();
  for (const chunk of [0, 1]) await session.putChunk(chunk);
  await scene.restart('drain');
  await expectAbsent();
  expect((await session.resume()).status).toBe(200);
  expect((await session.commit()).status).toBe(200);
  await expectAbsent();
});

test('a credential that is used again after sixty resumes is refused, and noticed in the log', async () => {
  const fortress = await openFortress();
  const session = await openPush(fortress.scene, transfer(fortress));
  const stolen = session.terms.credential;
  for (let count = 0; count < 60; count += 1) {
    expect((await session.resume()).status).toBe(200);
    expect((await session.post('POST', 'heartbeat')).status).toBe(200);
  }
  const headers = { ...session.headers, 'cairn-credential': stolen };
  expect((await session.call('POST', 'heartbeat', { headers })).json.code).toBe('session-credential');
  expect(fortress.scene.logged.some((line) => line.includes('used again'))).toBe(true);
});

test("a credential that is used again after a resume is useless, logged, and in the session's history", async () => {
  const fortress = await openFortress();
  const { scene } = fortress;
  const session = await openPush(scene, transfer(fortress));
  const stolen = { ...session.terms };
  expect((await session.resume()).status).toBe(200);
  // The new one is used: from now on the old one is good for nothing.
  expect((await session.putChunk(0)).status).toBe(200);
  const thief = { 'cairn-credential': stolen.credential, 'cairn-epoch': String(session.terms.epoch) };
  const target = `${ROOT}sessions/${stolen.session}`;
  for (const [method, route] of ROUTES) {
    if (route === 'resume') continue;
    const { status } = await call(scene, method, `${target}${route === '' ? '' : `/${route}`}`, {
      headers: thief,
    });
    expect([route, status >= 400 && status < 500]).toEqual([route, true]);
  }
  expect(scene.logged.some((line) => line.includes('used again'))).toBe(true);
  expect(scene.logged.join('\n')).not.toContain(stolen.credential);
  const record = await scene.stores.sessions.get(stolen.session);
  expect(record?.history?.map(({ what }) => what)).toContain('credential-reused');
  // The owner authenticates, resumes, and has lost nothing.
  expect((await session.resume()).status).toBe(200);
  expect((await session.putChunk(1)).status).toBe(200);
  expect((await session.commit()).status).toBe(200);
  const published = await call(scene, 'GET', '/tree/a', { token: ALICE });
  expect(published.body.length).toBe(70_000);
});

test('a request id of another user does not lead to the session of that user', async () => {
  const fortress = await openFortress();
  const wish = {
    protocol: { major: 1, minor: 0 },
    direction: 'push',
    target: '/tree',
    digests: ['xxh64'],
    chunkSizeBytes: 65_536,
    parallel: 1,
    requestId: 'R'.repeat(22),
  };
  const ask = (token: string, changes: object = {}) =>
    call(fortress.scene, 'POST', `${ROOT}sessions`, { token, body: JSON.stringify({ ...wish, ...changes }) });
  const [alice, bob] = [await ask(ALICE), await ask(BOB)];
  expect([alice.status, bob.status]).toEqual([201, 201]);
  expect(alice.json.session).not.toBe(bob.json.session);
  expect((await ask(ALICE, { target: '/elsewhere' })).status).toBe(400);
  await fortress.expectUnharmed();
  // Nor does what an attacker may know, the owner and the request id, make the session's id: it takes the server's key.
  const ids = [1, 1, 2].map((byte) => sessionIdOf(new Uint8Array(32).fill(byte), 'alice', wish.requestId));
  expect(ids[1]).toBe(ids[0]);
  expect(new Set([...ids, alice.json.session]).size).toBe(3);
});

/** The fields of a session's request, as lines. */
function linesOf(session: HandSession, more: Readonly<Record<string, string>>): string {
  return Object.entries({ ...session.headers, ...more })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

function open(port: number): Promise<Socket & { isOver: boolean }> {
  return new Promise((resolve) => {
    const socket = Object.assign(connect(port, '127.0.0.1'), { isOver: false });
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined).on('close', () => (socket.isOver = true));
    socket.resume();
    socket.once('connect', () => resolve(socket));
  });
}

test('a server ends fifty slow clients of every kind by its timeouts, while it serves others', async () => {
  const fortress = await openFortress({
    limits: { headersMs: 1000, idleBodyMs: 700, minBodyRate: 10_000, bodyRateOverMs: 1000 },
  });
  const session = await openPush(fortress.scene, transfer(fortress));
  const target = (route: string): string => `${ROOT}sessions/${session.terms.session}/${route}`;
  const manifestHead = async (): Promise<string> => {
    const other = await establish(fortress.scene, transfer(fortress));
    const fields = linesOf(other, { 'Content-Length': '9999' });
    return `PUT ${ROOT}sessions/${other.terms.session}/manifest HTTP/1.1\r\nHost: a\r\n${fields}\r\n["cairn`;
  };
  const heads = [
    () => 'GET / HT',
    () => 'GET / HTTP/1.1\r\nHost: a\r\n',
    () =>
      `PUT ${target('chunks/1')} HTTP/1.1\r\nHost: a\r\n${linesOf(session, { 'Content-Length': '4472' })}\r\nabc`,
    () =>
      `PUT ${target('plan')} HTTP/1.1\r\nHost: a\r\n${linesOf(session, { 'Content-Length': '1000' })}\r\n{`,
    manifestHead,
  ];
  const slow: (Socket & { isOver: boolean })[] = [];
  for (let count = 0; count < 50; count += 1) {
    const socket = await open(fortress.port);
    socket.write(await heads[count % heads.length]!());
    slow.push(socket);
  }
  const drip = setInterval(() => {
    for (const [index, socket] of slow.entries()) if (index % 2 === 0 && socket.writable) socket.write(' ');
  }, 100);
  onTestFinished(() => clearInterval(drip));
  await fortress.expectUnharmed();
  await delay(3500);
  clearInterval(drip);
  // A refused body is drained for five seconds more, so that its sender gets to see the answer.
  await until(async () => slow.every(({ isOver }) => isOver));
  expect((await session.putChunk(1)).status).toBe(200);
  await fortress.expectUnharmed();
});

test('two hundred sessions that are abandoned at every step leave the server unharmed', async () => {
  const fortress = await openFortress({ limits: { maxSessions: 400 } });
  for (let count = 0; count < 200; count += 1) {
    const session = await establish(fortress.scene, transfer(fortress));
    if (count % 4 > 0) await session.sendManifest();
    if (count % 4 > 1) await session.sendPlan();
    if (count % 4 > 2) (await session.beginChunk(0, 1000)).destroy();
  }
  await fortress.expectUnharmed();
});
