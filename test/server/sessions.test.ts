import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { directory, file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import {
  ALICE,
  BOB,
  call,
  establish,
  establishRequest,
  interceptChunks,
  KINDS,
  openPush,
  openScene,
  raw,
  until,
  type Scene,
} from './by-hand.ts';

const DAY_MS = 24 * 3600 * 1000;

function sample(scene: Scene): SampleTransfer {
  return transferOf(scene.stores.content, 'in', [directory(''), file('a', 3 * 65_536), file('b', 'small')]);
}

describe.each(KINDS)('sessions over %s', (kind) => {
  test('a request of an older epoch is fenced, before it begins and at its write', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const older = { ...session.headers };
    const socket = await session.beginChunk(1, 40_000);
    let answer = '';
    socket.on('data', (piece) => (answer += piece.toString()));
    await delay(50);
    const resumed = await session.resume();
    expect(resumed.json).toMatchObject({ epoch: 2, state: 'open', resumed: true });
    await delay(50);
    expect(answer).toContain('"session-fenced"');
    socket.destroy();
    const late = await session.call('PUT', 'chunks/0', { headers: older, body: session.chunkBody(0) });
    expect([late.status, late.json.code]).toEqual([409, 'session-fenced']);
    const partialChunks = (await session.call('GET', 'checkpoint')).json.held;
    expect(partialChunks).toEqual(kind === 'memory' ? [] : [[1, 40_000]]);
    for (const chunk of [0, 1, 2, 3]) expect((await session.putChunk(chunk)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
  });

  test('a session needs the credential of its epoch', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const codeOf = async (headers: Record<string, string>): Promise<unknown[]> => {
      const answer = await session.call('POST', 'heartbeat', { headers });
      return [answer.status, answer.json.code];
    };
    // Who shows no token and a credential that never was the session's must not learn that there is one.
    const strange = { 'cairn-credential': 'x'.repeat(43) };
    expect(await codeOf(strange)).toEqual([404, 'session-not-found']);
    expect(await codeOf({ ...strange, 'cairn-epoch': '7' })).toEqual([404, 'session-not-found']);
    const known = { ...strange, authorization: `Bearer ${ALICE}` };
    expect(await codeOf(known)).toEqual([403, 'session-credential']);
    expect(await codeOf({ 'cairn-epoch': 'one' })).toEqual([400, 'invalid-request']);
    expect(await codeOf({ 'cairn-epoch': '7' })).toEqual([409, 'session-fenced']);
    expect(await codeOf({ authorization: `Bearer ${BOB}` })).toEqual([404, 'session-not-found']);
    expect(await codeOf({ authorization: 'Bearer nobody' })).toEqual([401, 'unauthenticated']);
    const bare = await call(scene, 'POST', `/.cairn/v1/sessions/${session.terms.session}/heartbeat`, {
      token: ALICE,
    });
    expect(bare.json.code).toBe('unauthenticated');
    expect((await session.post('POST', 'heartbeat')).json).toEqual({ leaseMs: 7 * DAY_MS });
  });

  test('a session of another principal does not exist', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const answer = await session.resume(BOB);
    expect([answer.status, answer.json.code]).toEqual([404, 'session-not-found']);
    const request = {
      ...establishRequest(session.transfer, 'push', '/in'),
      manifestId: session.transfer.manifest.id,
    };
    const other = await call(scene, 'POST', '/.cairn/v1/sessions', {
      token: BOB,
      body: JSON.stringify(request),
    });
    expect(other.status).toBe(201);
    expect((await session.post('POST', 'sync')).status).toBe(200);
  });

  test('a session goes on from its durable chunks after a crash', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    await session.putChunk(0);
    await session.putChunk(2);
    await session.post('POST', 'sync');
    await scene.restart('kill');
    if (kind === 'local disk') {
      const refused = await session.putChunk(1);
      expect([refused.status, refused.json.code]).toEqual([409, 'session-suspended']);
    }
    expect((await session.resume()).json).toMatchObject({ epoch: 2, state: 'open' });
    expect((await session.call('GET', 'checkpoint')).json.chunks.runs).toEqual([0, 1, 2, 1]);
    for (const chunk of [1, 3]) await session.putChunk(chunk);
    expect((await session.commit()).status).toBe(200);
  });

  test('a session loses no chunk when the server is drained', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    await session.putChunk(0);
    const socket = await session.beginChunk(1, 30_000);
    const draining = scene.server.drain({ graceMs: 300 });
    await draining;
    await scene.restart('drain');
    expect((await session.putChunk(2)).json.code).toBe('session-suspended');
    await session.resume();
    const checkpoint = (await session.call('GET', 'checkpoint')).json;
    expect(checkpoint.chunks.runs).toEqual([0, 1]);
    socket.destroy();
  });

  test('a session that was suspended takes no chunk until it is resumed', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    await session.putChunk(0);
    const socket = await session.beginChunk(1, 30_000);
    await delay(50);
    expect((await session.post('POST', 'suspend')).status).toBe(200);
    socket.destroy();
    expect((await session.putChunk(1)).json.code).toBe('session-suspended');
    const head = await session.call('HEAD', 'chunks/1');
    expect([head.status, head.headers['cairn-error'], head.body.length]).toEqual([
      409,
      'session-suspended',
      0,
    ]);
    expect((await session.post('POST', 'suspend')).status).toBeLessThan(500);
    await session.resume();
    const checkpoint = (await session.call('GET', 'checkpoint')).json;
    expect(checkpoint.chunks.runs).toEqual([0, 1]);
    expect(checkpoint.held).toEqual(kind === 'memory' ? [] : [[1, 30_000]]);
  });

  test('a session that was aborted frees everything and says so', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    await session.putChunk(0);
    expect((await session.call('DELETE', '')).status).toBe(200);
    expect(await scene.stores.content.listStaging()).toEqual([]);
    expect((await session.call('DELETE', '')).status).toBe(200);
    const answer = await session.putChunk(1);
    expect([answer.status, answer.json.code]).toEqual([410, 'session-aborted']);
    expect((await session.resume()).json.code).toBe('session-aborted');
  });

  test('a session that is aborted while its manifest comes does not wait for the rest of that', async () => {
    const scene = await openScene(kind, { limits: { idleBodyMs: 3_600_000 } });
    const session = await establish(scene, sample(scene));
    const head = [
      `PUT /.cairn/v1/sessions/${session.terms.session}/manifest HTTP/1.1`,
      'Host: test',
      'Content-Length: 1000',
      ...Object.entries(session.headers).map(([name, value]) => `${name}: ${value}`),
    ];
    const sending = raw(scene, `${head.join('\r\n')}\r\n\r\n{`);
    await until(async () => {
      const target = `/.cairn/v1/sessions/${session.terms.session}`;
      return (await call(scene, 'GET', target, { token: ALICE })).json.requests === 1;
    });
    expect((await session.call('DELETE', '')).status).toBe(200);
    expect(await sending).toContain('"code":"session-aborted"');
  });

  test('a session that was committed before a crash frees its staging at the next start', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    for (const chunk of [0, 1, 2, 3]) expect((await session.putChunk(chunk)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
    const unfinished = await openPush(scene, transferOf(scene.stores.content, 'other', [file('a', 'small')]));
    await (await scene.stores.content.openStaging(session.terms.session)).save('plan', ['{}']);
    await scene.restart();
    await until(async () => (await scene.stores.content.listStaging()).length === 1);
    expect(await scene.stores.content.listStaging()).toEqual([unfinished.terms.session]);
    expect((await session.commit()).status).toBe(200);
  });

  test('a session expires when no request touches it for its lease, and its record is removed later', async () => {
    const scene = await openScene(kind, { leaseMs: DAY_MS, limits: { collectEveryMs: 20 } });
    const session = await openPush(scene, sample(scene));
    const touched = await openPush(scene, transferOf(scene.stores.content, 'other', [file('', 'x')]));
    await session.putChunk(0);
    scene.clock.aheadMs = DAY_MS - 60_000;
    await touched.post('POST', 'heartbeat');
    scene.clock.aheadMs = DAY_MS + 60_000;
    await until(async () => (await scene.stores.content.listStaging()).length === 1);
    expect(await scene.stores.content.listStaging()).toEqual([touched.terms.session]);
    const answer = await session.putChunk(1);
    expect([answer.status, answer.json.code]).toEqual([410, 'session-expired']);
    expect((await touched.post('POST', 'heartbeat')).status).toBe(200);
    scene.clock.aheadMs += 3_600_000;
    await until(async () => (await session.putChunk(1)).json.code === 'session-not-found');
  });

  test('staging without a session is freed after a while, and that of a pull into the directory stays', async () => {
    const limits = { collectEveryMs: 20, orphanStagingMs: 60_000 };
    const scene = await openScene(kind, { leaseMs: DAY_MS, limits });
    const [orphan, ofPull] = ['o'.repeat(22), 'a'.repeat(32)];
    for (const id of [orphan, ofPull]) {
      await (await scene.stores.content.openStaging(id)).save('plan', ['{}']);
    }
    await delay(100);
    scene.clock.aheadMs = 3_600_000;
    await until(async () => (await scene.stores.content.listStaging()).length === 1);
    expect(await scene.stores.content.listStaging()).toEqual([ofPull]);
  });

  test('a session is expired for a request, also before the collector runs', async () => {
    const scene = await openScene(kind, { leaseMs: DAY_MS });
    const session = await openPush(scene, sample(scene));
    scene.clock.aheadMs = DAY_MS + 60_000;
    expect((await session.resume()).json.code).toBe('session-expired');
    expect((await session.post('POST', 'sync')).json.code).toBe('session-expired');
  });

  test('a session leaves memory when it is idle, and goes on all the same', async () => {
    const scene = await openScene(kind, { limits: { collectEveryMs: 20, idleSessionMs: 50 } });
    const session = await openPush(scene, sample(scene));
    await session.putChunk(0);
    await delay(250);
    expect((await session.putChunk(1)).status).toBe(200);
    expect((await session.call('GET', 'checkpoint')).json.chunks.runs).toEqual([0, 2]);
  });

  test('a session is refused when there are too many', async () => {
    const scene = await openScene(kind, { limits: { maxSessions: 1 } });
    await establish(scene, sample(scene));
    const request = JSON.stringify(establishRequest(sample(scene), 'push', '/in'));
    const answer = await call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body: request });
    expect([answer.status, answer.json.code, answer.headers['retry-after']]).toEqual([
      503,
      'server-busy',
      '1',
    ]);
  });

  test('a session counts for a limit only while it is unfinished, also right after a restart', async () => {
    const scene = await openScene(kind, { limits: { maxSessions: 1 } });
    const transfer = transferOf(scene.stores.content, 'in', [directory(''), file('a', 10)]);
    for (const end of ['commit', 'commit', 'commit', 'abort', 'abort']) {
      const session = await openPush(scene, transfer);
      await expect(establish(scene, transfer)).rejects.toThrow('server-busy');
      await session.putChunk(0);
      const answer = end === 'commit' ? await session.commit() : await session.call('DELETE', '');
      expect(answer.status).toBe(200);
    }
    await openPush(scene, transfer);
    await scene.restart();
    await expect(establish(scene, transfer)).rejects.toThrow('server-busy');
  });

  test('a session has its events in the log, and no secrets', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    await session.resume();
    await call(scene, 'GET', '/missing', { token: ALICE });
    const text = scene.logged.join('\n');
    for (const event of ['session established', 'session resumed', 'request refused'])
      expect(text).toContain(event);
    for (const secret of [ALICE, session.terms.credential]) expect(text).not.toContain(secret);
  });
});

test('a sync point that fails suspends the session, and its durable chunks are kept', async () => {
  let isBroken = false;
  const scene = await openScene('local disk', {
    wrap: (content) =>
      interceptChunks(content, (chunks) => ({
        sync: async () => {
          if (isBroken) throw new CairnError('storage-io', 'the disk says EIO');
          await chunks.sync();
        },
      })),
  });
  const session = await openPush(scene, sample(scene));
  await session.putChunk(0);
  await session.post('POST', 'sync');
  isBroken = true;
  await session.putChunk(1);
  expect((await session.post('POST', 'sync')).status).toBe(500);
  expect((await session.putChunk(2)).json.code).toBe('session-suspended');
  isBroken = false;
  await session.resume();
  expect((await session.call('GET', 'checkpoint')).json.chunks.runs.slice(0, 1)).toEqual([0]);
  expect((await session.putChunk(2)).status).toBe(200);
});
