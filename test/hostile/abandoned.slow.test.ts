/**
 * Sessions that are established and abandoned: when their lease is over nothing of them is left. 300 of them, or as many
 * as CAIRN_ABANDONED says.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { establish } from '../server/by-hand.ts';
import { openFortress, type Fortress } from './support/raw.ts';

const COUNT = Number(process.env['CAIRN_ABANDONED'] ?? 300);
/** None is over before all are there. */
const LEASE_MS = 3_600_000;
const TOGETHER = 8;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

interface Figures {
  readonly heapMiB: number;
  readonly rssMiB: number;
  readonly descriptors: number;
  readonly timers: number;
  readonly records: number;
  readonly stagingAreas: number;
}

/** Descriptors of files; sockets of the test itself come and go. */
function openFiles(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('/');
    } catch {
      return false; // the one of this very listing
    }
  }).length;
}

async function measure({ root, scene }: Fortress): Promise<Figures> {
  // What was closed a moment ago, and what garbage holds.
  await delay(300);
  collectGarbage();
  await delay(50);
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return {
    heapMiB: heapUsed / 1024 ** 2,
    rssMiB: rss / 1024 ** 2,
    descriptors: openFiles(),
    timers: process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length,
    // A record that is just being written has another name until it is whole.
    records: readdirSync(path.join(root, '.cairn/sessions')).filter((name) => name.endsWith('.json')).length,
    stagingAreas: (await scene.stores.content.listStaging()).length,
  };
}

async function abandon(fortress: Fortress, number: number): Promise<void> {
  const { scene } = fortress;
  const items = [directory(''), file('a', 65_536), file('b', 1000)];
  const session = await establish(scene, transferOf(scene.stores.content, `target-${number}`, items));
  if (number % 2 === 0) return;
  expect((await session.sendManifest()).status).toBe(200);
  expect((await session.sendPlan()).status).toBe(200);
  const socket = await session.beginChunk(0, 32_768);
  // Until it is written: asking for it would end the request.
  await delay(100);
  socket.destroy();
}

async function abandonAll(fortress: Fortress, count: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await abandon(fortress, next++);
  };
  await Promise.all(Array.from({ length: TOGETHER }, worker));
}

test(
  `${COUNT} sessions that were established and abandoned leave nothing behind when their lease is over`,
  { timeout: 60_000 + COUNT * 100 },
  async () => {
    const fortress = await openFortress({
      leaseMs: LEASE_MS,
      limits: {
        maxSessions: COUNT + 100,
        maxSessionsPerPrincipal: COUNT + 100,
        collectEveryMs: 500,
        idleSessionMs: 1000,
      },
      // What a log keeps is not what the server keeps.
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    });
    const { scene } = fortress;
    const isFree = async (): Promise<boolean> =>
      (await scene.stores.content.listStaging()).length === 0 &&
      readdirSync(path.join(fortress.root, '.cairn/sessions')).length === 0;
    const untilFree = async (): Promise<void> => {
      scene.clock.aheadMs += LEASE_MS + 1000;
      const limitMs = performance.now() + 30_000 + COUNT * 20;
      // First their staging, and when nobody wants to hear of their end any more, their records.
      while ((await scene.stores.content.listStaging()).length > 0 && performance.now() < limitMs)
        await delay(100);
      scene.clock.aheadMs += LEASE_MS;
      while (!(await isFree()) && performance.now() < limitMs) await delay(100);
      expect(await isFree()).toBe(true);
    };
    // Code is compiled and pools are filled by the first ones.
    await abandonAll(fortress, 40);
    await untilFree();
    const before = await measure(fortress);
    const start = performance.now();
    await abandonAll(fortress, COUNT);
    const during = await measure(fortress);
    const middle = performance.now();
    await untilFree();
    const after = await measure(fortress);
    console.log(
      JSON.stringify({
        sessions: COUNT,
        establishedS: (middle - start) / 1000,
        freedS: (performance.now() - middle) / 1000,
        before,
        during,
        after,
      }),
    );
    expect(during.records).toBe(COUNT);
    expect(during.stagingAreas).toBeGreaterThanOrEqual(COUNT / 2);
    expect([after.records, after.stagingAreas]).toEqual([0, 0]);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 2);
    expect(after.timers).toBeLessThanOrEqual(before.timers + 2);
    expect(after.heapMiB).toBeLessThan(before.heapMiB + 8);
    await fortress.expectUnharmed();
  },
);
