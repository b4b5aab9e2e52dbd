/** Walks through directories are shared out by owner, whatever asks for them. */
import { once } from 'node:events';
import { request, type ClientRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createLimiter } from '../../src/server/core/limiter.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { directory, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, BOB, call, establish, openScene, until, type Scene } from './by-hand.ts';

const TREE = '/.cairn/v1/tree?path=/&recursive=1';

/** A store whose scans never end by themselves, and a count of those that are under way. */
function endlessScans() {
  const state = { running: 0, begun: 0, isEnding: false };
  const wrap = (content: ContentStore): ContentStore => ({
    ...content,
    properties: content.properties,
    async *scan() {
      state.running += 1;
      state.begun += 1;
      try {
        while (!state.isEnding) {
          yield [];
          await delay(5);
        }
      } finally {
        state.running -= 1;
      }
    },
  });
  return { state, wrap };
}

function ask(scene: Scene, token: string): ClientRequest {
  const asking = request({
    host: '127.0.0.1',
    port: scene.server.port,
    path: TREE,
    headers: { authorization: `Bearer ${token}` },
    agent: false,
  });
  asking.on('response', (response) => response.resume()).on('error', () => undefined);
  asking.end();
  onTestFinished(() => void asking.destroy());
  return asking;
}

test('an owner at the limit of scans does not keep another owner from scanning', async () => {
  const { state, wrap } = endlessScans();
  const scene = await openScene('memory', { wrap });
  for (let count = 0; count < 50; count++) ask(scene, ALICE);
  await until(async () => state.running === 8);
  ask(scene, BOB);
  await until(async () => state.running === 9);
  expect((await call(scene, 'GET', '/.cairn/healthz')).status).toBe(200);
});

test('an owner at the limit of removals does not keep another owner from removing', async () => {
  let removing = 0;
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const scene = await openScene('memory', {
    wrap: (content) => ({
      ...content,
      remove: () => {
        removing += 1;
        return held;
      },
    }),
  });
  onTestFinished(() => letGo());
  const remove = (token: string): ClientRequest => {
    const asking = request({
      host: '127.0.0.1',
      port: scene.server.port,
      method: 'POST',
      path: '/.cairn/v1/tree',
      headers: { authorization: `Bearer ${token}` },
      agent: false,
    });
    asking.on('error', () => undefined);
    asking.end(JSON.stringify({ action: 'remove', path: '/tree', recursive: true }));
    onTestFinished(() => void asking.destroy());
    return asking;
  };
  for (let count = 0; count < 20; count++) remove(ALICE);
  await until(async () => removing === 8);
  remove(BOB);
  await until(async () => removing === 9);
});

test('the next client gets the manifest of a pull whose client went away while it waited for a scan', async () => {
  const { state, wrap } = endlessScans();
  const scene = await openScene('memory', { wrap });
  const session = await establish(scene, transferOf(scene.stores.content, '', [directory('')]), 'pull');
  for (let count = 0; count < 8; count++) ask(scene, ALICE);
  await until(async () => state.running === 8);
  const leaving = request({
    host: '127.0.0.1',
    port: scene.server.port,
    path: `/.cairn/v1/sessions/${session.terms.session}/manifest`,
    headers: session.headers,
    agent: false,
  });
  leaving.on('error', () => undefined).end();
  await once(leaving, 'response');
  leaving.destroy();
  await until(async () => scene.logged.join().includes('connection lost'));
  state.isEnding = true;
  expect((await session.call('GET', 'manifest')).status).toBe(200);
});

test('a pull that is aborted while its source is scanned ends, and so does the scan', async () => {
  const { state, wrap } = endlessScans();
  const scene = await openScene('memory', { wrap });
  const session = await establish(scene, transferOf(scene.stores.content, '', [directory('')]), 'pull');
  const scanning = session.call('GET', 'manifest').catch((error: unknown) => error);
  await until(async () => state.running === 1);
  expect((await session.call('DELETE', '')).status).toBe(200);
  expect(state.running).toBe(0);
  await scanning;
});

test('owners that send their manifests byte by byte do not delay others', async () => {
  const scene = await openScene('memory', { limits: { idleBodyMs: 3_600_000 } });
  const begin = (token: string) =>
    establish(scene, transferOf(scene.stores.content, 'x', [directory('')]), 'push', { token });
  for (const token of [ALICE, BOB]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { terms, headers } = await begin(token);
    const sending = request({
      host: '127.0.0.1',
      port: scene.server.port,
      method: 'PUT',
      path: `/.cairn/v1/sessions/${terms.session}/manifest`,
      headers,
      agent: false,
    });
    sending.on('error', () => undefined).write('{');
    onTestFinished(() => void sending.destroy());
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await until(async () => {
      const answer = await call(scene, 'GET', `/.cairn/v1/sessions/${terms.session}`, { token });
      return answer.json.requests === 1;
    });
  }
  for (const token of [ALICE, BOB]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await (await begin(token)).sendManifest()).status).toBe(200);
  }
});

test("a request that grows beyond its owner's share waits for the other requests of that owner only", async () => {
  const limiter = createLimiter({ max: 10, maxOfPrincipal: 6, waitMs: 60_000 }, 'things');
  const { signal } = new AbortController();
  const done: string[] = [];
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const first = limiter({ principal: 'a', signal, cost: 3 }, async () => held);
  const second = limiter({ principal: 'a', signal, cost: 2 }, async (grow) => {
    await grow(3);
    done.push('grown to three');
    // Of more than an owner may have it takes all that an owner may have.
    await grow(100);
    done.push('grown to six');
  });
  await limiter({ principal: 'b', signal, cost: 4 }, async () => void done.push('another owner'));
  await until(async () => done.length === 2);
  expect(done.toSorted()).toEqual(['another owner', 'grown to three']);
  letGo();
  await Promise.all([first, second]);
  expect(done).toHaveLength(3);
  expect(done.at(-1)).toBe('grown to six');
});

test('a request waits for a scan until another one ends, and one whose client has left does nothing', async () => {
  const { state, wrap } = endlessScans();
  const scene = await openScene('memory', { wrap });
  const asking = Array.from({ length: 8 }, () => ask(scene, ALICE));
  await until(async () => state.running === 8);
  const leaving = ask(scene, ALICE);
  const staying = ask(scene, ALICE);
  const answered = new Promise<number | undefined>((resolve) =>
    staying.on('response', ({ statusCode }) => resolve(statusCode)),
  );
  await delay(50);
  leaving.destroy();
  await delay(50);
  expect(state.begun).toBe(8);
  state.isEnding = true;
  expect(await answered).toBe(200);
  await until(async () => state.running === 0);
  expect(state.begun).toBe(9);
  for (const one of asking) one.destroy();
});
