import { chmodSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { openPrometheusMetrics } from '../../src/server/operations/prometheus.ts';
import type { StoragePlace } from '../../src/server/operations/readiness.ts';
import { routeLabel } from '../../src/server/http/route-label.ts';
import { CairnError } from '../../src/base/errors.ts';
import { storagePlace } from '../../src/storage/disk/tree/storage-place.ts';
import { file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { asNobody } from '../storage/local-disk-fixtures.ts';
import { createMemoryHub } from '../support/memory-stores/memory-shared-memory.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { ALICE, BOB, call, openPush, openScene, until, type HandSession, type Scene } from './by-hand.ts';

const CHUNK = 65_536;
const authenticators = [
  createStaticToken(ALICE, { id: 'token:alice', principal: 'alice' }),
  createStaticToken(BOB, { id: 'token:bob', principal: 'bob', scopes: ['read', 'write', 'list'] }),
];
const METRICS = '/.cairn/metrics';

function sample({ stores }: Scene): SampleTransfer {
  return transferOf(stores.content, 'in', [file('', 'x'.repeat(2 * CHUNK))]);
}

async function pageOf(scene: Scene): Promise<string> {
  const answer = await call(scene, 'GET', METRICS, { token: ALICE });
  expect(answer.status).toBe(200);
  return answer.body.toString();
}

/** The value of one line; 0 where there is none. */
function valueOf(page: string, name: string): number {
  const line = page.split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

/** Sends a part of a chunk and leaves; resolves when the server holds it. */
async function cutChunk(session: HandSession, chunk: number, sentBytes: number): Promise<void> {
  (await session.beginChunk(chunk, sentBytes)).end();
  // Asking for the chunk itself would end the request that brings it.
  await until(async () => session.scene.logged.some((line) => line.startsWith('connection lost')));
  expect(await session.bytesThere(chunk)).toBe(sentBytes);
}

test('metrics tell whether the memory of several servers answers, and nothing of it where there is none', async () => {
  const memory = {
    ...createMemoryHub().node(),
    isThere: false,
    asked: { answered: 5, failed: 2, skipped: 7 },
  };
  const scene = await openScene('memory', { authenticators, metrics: openPrometheusMetrics, memory });
  for (const isThere of [false, true]) {
    Object.assign(memory, { isThere });
    const page = await pageOf(scene);
    expect(page).toContain(`\ncairn_redis_up ${isThere ? 1 : 0}\n`);
    const counts = ['answered', 'failed', 'skipped'].map((outcome) =>
      valueOf(page, `cairn_redis_requests_total{outcome="${outcome}"}`),
    );
    expect(counts).toEqual([5, 2, 7]);
  }
  const alone = await openScene('memory', { authenticators, metrics: openPrometheusMetrics });
  expect(await pageOf(alone)).not.toContain('cairn_redis');
});

test('metrics are for administrators, and say in which format they are', async () => {
  const scene = await openScene('local disk', { authenticators, metrics: openPrometheusMetrics });
  const answer = await call(scene, 'GET', METRICS, { token: ALICE });
  expect(answer.headers['content-type']).toContain('text/plain; version=0.0.4');
  expect((await call(scene, 'GET', METRICS)).status).toBe(401);
  expect((await call(scene, 'GET', METRICS, { token: BOB })).json.code).toBe('forbidden');
  expect(await pageOf(scene)).toContain('process_cpu_user_seconds_total');
});

test('a server without metrics has no page for them', async () => {
  const scene = await openScene('memory', { authenticators });
  expect((await call(scene, 'GET', METRICS, { token: ALICE })).json.code).toBe('not-found');
});

test('two servers in one process count separately', async () => {
  const first = await openScene('memory', { authenticators, metrics: openPrometheusMetrics });
  const second = await openScene('memory', { authenticators, metrics: openPrometheusMetrics });
  await openPush(first, sample(first));
  expect(valueOf(await pageOf(first), 'cairn_sessions{state="open"}')).toBe(1);
  expect(valueOf(await pageOf(second), 'cairn_sessions{state="open"}')).toBe(0);
});

test('received bytes are counted, and those that were there before', async () => {
  const scene = await openScene('local disk', { authenticators, metrics: openPrometheusMetrics });
  const session = await openPush(scene, sample(scene));
  await session.putChunk(0);
  expect(valueOf(await pageOf(scene), 'cairn_received_bytes_total')).toBe(CHUNK);
  await session.putChunk(0);
  const twice = await pageOf(scene);
  expect(valueOf(twice, 'cairn_received_bytes_total')).toBe(2 * CHUNK);
  expect(valueOf(twice, 'cairn_received_twice_bytes_total')).toBe(CHUNK);
  // A cut, and whoever goes on from there sends nothing twice.
  await cutChunk(session, 1, 40_000);
  await session.putChunk(1, 40_000);
  const resumed = await pageOf(scene);
  expect(valueOf(resumed, 'cairn_received_bytes_total')).toBe(3 * CHUNK);
  expect(valueOf(resumed, 'cairn_received_twice_bytes_total')).toBe(CHUNK);
  await session.post('POST', 'sync');
  const synced = await pageOf(scene);
  expect(valueOf(synced, 'cairn_sync_duration_seconds_count')).toBeGreaterThan(0);
  const puts = 'cairn_http_requests_total{route="PUT sessions/{id}/chunks/{n}",status="2xx"}';
  expect(valueOf(synced, puts)).toBe(3);
});

test('a client that goes back into a partial chunk sends that part twice in the metrics', async () => {
  const scene = await openScene('local disk', { authenticators, metrics: openPrometheusMetrics });
  const session = await openPush(scene, sample(scene));
  await cutChunk(session, 0, 40_000);
  await session.putChunk(0);
  const page = await pageOf(scene);
  expect(valueOf(page, 'cairn_received_bytes_total')).toBe(40_000 + CHUNK);
  expect(valueOf(page, 'cairn_received_twice_bytes_total')).toBe(40_000);
});

test('resumes, failed authentications and refusals by a limit are counted by their kind', async () => {
  const limits = { maxSessions: 1 };
  const scene = await openScene('local disk', { authenticators, limits, metrics: openPrometheusMetrics });
  const session = await openPush(scene, sample(scene));
  await session.resume();
  await call(scene, 'GET', '/x', { token: 'wrong' });
  // No more than a client that looks for the protocol.
  await call(scene, 'HEAD', '/x');
  await session.call('POST', 'sync', { headers: { 'cairn-credential': 'x'.repeat(43) } });
  await expect(openPush(scene, sample(scene))).rejects.toThrow('server-busy');
  const page = await pageOf(scene);
  expect(valueOf(page, 'cairn_session_resumes_total')).toBe(1);
  expect(valueOf(page, 'cairn_authentication_failures_total{reason="unauthenticated"}')).toBe(1);
  expect(valueOf(page, 'cairn_authentication_failures_total{reason="session-credential"}')).toBe(1);
  expect(valueOf(page, 'cairn_limit_refusals_total{limit="sessions"}')).toBe(1);
  expect(valueOf(page, 'cairn_open_connections')).toBeGreaterThan(0);
});

test('sent bytes are counted without digests', async () => {
  const scene = await openScene('memory', { authenticators, metrics: openPrometheusMetrics });
  const session = await openPush(scene, sample(scene));
  for (const chunk of [0, 1]) await session.putChunk(chunk);
  await session.commit();
  const answer = await call(scene, 'GET', '/in', { token: ALICE, headers: { range: 'bytes=10-109' } });
  expect(answer.body).toHaveLength(100);
  expect(valueOf(await pageOf(scene), 'cairn_sent_bytes_total')).toBe(100);
});

test('labels of metrics are few, whatever paths and methods clients ask for', () => {
  const id = 'A'.repeat(22);
  const labels = [
    ['GET', '/.cairn/v1/', 'GET greeting'],
    ['GET', '/.cairn/v1/sessions', 'GET sessions'],
    ['POST', '/.cairn/v1/tree-id', 'POST tree-id'],
    ['DELETE', `/.cairn/v1/sessions/${id}`, 'DELETE sessions/{id}'],
    ['PUT', `/.cairn/v1/sessions/${id}/chunks/17`, 'PUT sessions/{id}/chunks/{n}'],
    ['POST', `/.cairn/v1/sessions/${id}/nonsense-${id}`, 'POST unknown'],
    ['BREW', '/coffee', 'other files'],
    ['GET', '/.cairn/metrics', 'GET operations'],
    ['GET', '/.cairn/v1/__proto__', 'GET unknown'],
    ['GET', '', 'GET files'],
  ] as const;
  for (const [method, url, label] of labels) expect(routeLabel(method, url)).toBe(label);
});

test('a server is healthy while it answers, and ready while it can write', async () => {
  const directory = path.join(temporaryDirectory(), 'state');
  mkdirSync(directory);
  let looks = 0;
  const disk: { problem?: CairnError } = {};
  const real = storagePlace('state', directory);
  const place: StoragePlace = {
    ...real,
    checkWritable: async () => {
      looks += 1;
      if (disk.problem !== undefined) throw disk.problem;
      await real.checkWritable();
    },
  };
  const scene = await openScene('local disk', { authenticators, places: [place] });
  const ask = (what: string) => call(scene, 'GET', `/.cairn/${what}`);
  expect((await ask('healthz')).json).toEqual({ status: 'ok' });
  for (let attempt = 0; attempt < 5; attempt++) expect((await ask('readyz')).json.status).toBe('ready');
  // Asking at will costs no write each time.
  expect(looks).toBe(1);
  disk.problem = new CairnError('storage-read-only', 'the file system is read-only');
  scene.clock.aheadMs += 6000;
  const answer = await ask('readyz');
  expect([answer.status, answer.json.problems]).toEqual([
    503,
    [{ where: 'state', code: 'storage-read-only' }],
  ]);
  expect((await ask('healthz')).status).toBe(200);
  expect((await ask('nothing')).status).toBe(404);
  expect((await call(scene, 'POST', '/.cairn/readyz')).json.code).toBe('method-not-allowed');
});

test('a server on a full disk is not ready', async () => {
  const places = [{ name: 'root', checkWritable: async () => undefined, freeBytes: async () => 1024 }];
  const metrics = openPrometheusMetrics;
  const scene = await openScene('memory', { authenticators, places, metrics });
  const answer = await call(scene, 'GET', '/.cairn/readyz');
  expect(answer.json.problems).toEqual([{ where: 'root', code: 'storage-full' }]);
  expect(valueOf(await pageOf(scene), 'cairn_disk_free_bytes{place="root"}')).toBe(1024);
});

test('a server whose directory only others may write is not ready', async () => {
  const directory = path.join(temporaryDirectory(), 'root');
  mkdirSync(directory);
  chmodSync(directory, 0o500);
  const checked = asNobody(directory, () => storagePlace('root', directory).checkWritable());
  await expect(checked).rejects.toThrow('permission denied');
});

test('a port for metrics needs no token, answers nothing else, and closes with the server', async () => {
  const metricsListen = { host: '127.0.0.1', port: 0 };
  const scene = await openScene('memory', { authenticators, metrics: openPrometheusMetrics, metricsListen });
  const url = scene.server.metricsUrl!;
  for (const what of ['healthz', 'readyz', 'metrics']) {
    const answer = await fetch(`${url}/${what}`);
    expect([what, answer.status]).toEqual([what, 200]);
    expect((await answer.text()).length).toBeGreaterThan(10);
  }
  for (const what of ['', '.cairn/v1/', '.cairn/metrics', 'in']) {
    expect((await fetch(`${url}/${what}`)).status).toBe(404);
  }
  expect((await fetch(`${url}/metrics`, { method: 'DELETE' })).status).toBe(405);
  await scene.server.drain();
  await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
});

test('a port for metrics says that its server drains', async () => {
  const metricsListen = { host: '127.0.0.1', port: 0 };
  const scene = await openScene('local disk', { authenticators, metricsListen });
  const session = await openPush(scene, sample(scene));
  const socket = await session.beginChunk(0, 1000);
  const draining = scene.server.drain({ graceMs: 1000 });
  const answer = await fetch(`${scene.server.metricsUrl}/readyz`);
  expect([answer.status, await answer.json()]).toEqual([
    503,
    { status: 'not-ready', problems: [{ where: 'server', code: 'server-busy' }] },
  ]);
  expect((await fetch(`${scene.server.metricsUrl}/healthz`)).status).toBe(200);
  socket.destroy();
  await draining;
});

test('the bytes of unfinished pushes, and the work of the collector, are in the metrics', async () => {
  const limits = { collectEveryMs: 20, keepEndedMs: 1000 };
  const scene = await openScene('local disk', {
    authenticators,
    limits,
    leaseMs: 60_000,
    metrics: openPrometheusMetrics,
  });
  await openPush(scene, sample(scene));
  const before = await pageOf(scene);
  expect(valueOf(before, 'cairn_staging_bytes')).toBeGreaterThan(0);
  scene.clock.aheadMs = 61_000;
  const seen = (what: string): boolean => scene.logged.some((line) => line.includes(what));
  await until(async () => seen('has freed what no session needs {"expired":1,"records":0'));
  scene.clock.aheadMs = 63_000;
  await until(async () => seen('has freed what no session needs {"expired":0,"records":1'));
  const after = await pageOf(scene);
  expect(valueOf(after, 'cairn_staging_bytes')).toBe(0);
  expect(valueOf(after, 'cairn_collected_total{what="expired"}')).toBe(1);
  expect(valueOf(after, 'cairn_collected_total{what="records"}')).toBe(1);
});
