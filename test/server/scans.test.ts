/** Walks through directories are shared out by owner, whatever asks for them. */
import { request, type ClientRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { ALICE, BOB, call, openScene, type Scene } from './by-hand.ts';

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

test('one owner who scans as much as may be does not keep another one from it', async () => {
  const { state, wrap } = endlessScans();
  const scene = await openScene('memory', { wrap });
  for (let count = 0; count < 50; count++) ask(scene, ALICE);
  await vi.waitFor(() => expect(state.running).toBe(8));
  ask(scene, BOB);
  await vi.waitFor(() => expect(state.running).toBe(9));
  expect((await call(scene, 'GET', '/.cairn/healthz')).status).toBe(200);
});

test('who waits for a scan gets it when another one ends, and nothing is done for who went away', async () => {
  const { state, wrap } = endlessScans();
  const scene = await openScene('memory', { wrap });
  const asking = Array.from({ length: 8 }, () => ask(scene, ALICE));
  await vi.waitFor(() => expect(state.running).toBe(8));
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
  await vi.waitFor(() => expect(state.running).toBe(0));
  expect(state.begun).toBe(9);
  for (const one of asking) one.destroy();
});
