import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import type { CuttingProxy } from '../../support/cutting-proxy.ts';
import { campaign, IS_FULL, type FaultRun } from '../support/campaign.ts';
import { openDescriptors } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, type World } from '../support/world.ts';
import { allOf, checkInjected, createJob, DIRECTIONS, MIB, proxyBefore, type Direction } from './scene.ts';

/** How long either side waits for a byte. */
const IDLE_MS = 30_000;
/** Beside it: clocks, and a machine that is busy with other things. */
const MARGIN_MS = 10_000;
/** What is left takes a second or two over connections that live. */
const DONE_MS = 60_000;
/** A connection that waits for its next request may be kept so long. */
const KEEP_ALIVE_MS = 75_000;

/** Makes a network go silent; answers how many connections lost something. */
type Silencing = (proxy: CuttingProxy) => number;

/** What goes silent, and whether the client has to wait to notice. */
const SILENCES: Readonly<Record<string, { readonly silence: Silencing; readonly isSeen: boolean }>> = {
  'what the client sends vanishes': { silence: (proxy) => proxy.swallow('up'), isSeen: false },
  'what the server sends vanishes': { silence: (proxy) => proxy.swallow('down'), isSeen: false },
  'everything vanishes': { silence: (proxy) => proxy.swallow('up', 'down'), isSeen: false },
  'only the client is told of a reset': {
    silence: (proxy) => proxy.closeSide('client', 'reset'),
    isSeen: true,
  },
  'only the client is told of an end': {
    silence: (proxy) => proxy.closeSide('client', 'close'),
    isSeen: true,
  },
  'only the server is told of a reset': {
    silence: (proxy) => proxy.closeSide('server', 'reset'),
    isSeen: false,
  },
  'only the server is told of an end': {
    silence: (proxy) => proxy.closeSide('server', 'close'),
    isSeen: false,
  },
};

function socketsOf(world: World): number {
  return openDescriptors(world.server.pid()!).filter((target) => target.startsWith('socket:')).length;
}

async function until(holds: () => boolean, deadlineMs: number, what: () => string): Promise<void> {
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Violation('leak', what());
    await sleep(100);
  }
}

async function goSilent(
  direction: Direction,
  { silence, isSeen }: (typeof SILENCES)[string],
  { random, injected, add }: FaultRun,
): Promise<void> {
  const world = await createWorld();
  const before = socketsOf(world);
  const proxy = await proxyBefore(world, { bytesPerSecond: 8 * MIB });
  const job = createJob({ world, proxy, direction, sizeBytes: 4 * MIB, chunkSize: '512K' });
  const paused = proxy.pauseAfter(job.way, (0.2 + 0.6 * random()) * job.sizeBytes);
  const run = job.start();
  let isOver = false;
  void run.result.then(() => (isOver = true));
  await paused;
  const silent = silence(proxy);
  checkInjected(silent);
  injected(silent);
  const connections = proxy.connections;
  const silentAtMs = performance.now();
  proxy.heal();
  proxy.resume();
  await until(
    // Who had asked for everything before may need no connection any more.
    () => isOver || (proxy.connections > connections && proxy.silenced === 0),
    silentAtMs + IDLE_MS + MARGIN_MS,
    () => `the client waits for ${proxy.silenced} connections that are dead`,
  );
  add('seconds until the client goes around', (performance.now() - silentAtMs) / 1000);
  if (isSeen && performance.now() - silentAtMs > MARGIN_MS)
    throw new Violation('unclear', 'the client was told of the end of its connections, and waited');
  const result = await Promise.race([run.result, sleep(DONE_MS)]);
  if (result === undefined)
    throw new Violation('unclear', 'the client found what was dead, and does not go on');
  // What a server has open for requests that fell silent is looked at below.
  await job.checkDone(result, IDLE_MS + MARGIN_MS);
  // In a sample nobody waits for connections that are only kept for a next request.
  const freed = silentAtMs + (IS_FULL ? KEEP_ALIVE_MS : IDLE_MS) + MARGIN_MS;
  const { root } = world;
  const isFreed = (): boolean =>
    !openDescriptors(world.server.pid()!).some((target) => target.startsWith(`${root}/.cairn/staging`)) &&
    (!IS_FULL || socketsOf(world) <= before);
  await until(isFreed, freed, () => `still open: ${openDescriptors(world.server.pid()!).join(', ')}`);
}

async function neverAnswered(
  direction: Direction,
  heals: boolean,
  { injected, add }: FaultRun,
): Promise<void> {
  const world = await createWorld();
  const proxy = await proxyBefore(world);
  const job = createJob({ world, proxy, direction, sizeBytes: MIB, retryFor: heals ? '60s' : '1s' });
  proxy.swallow('down');
  const startedAtMs = performance.now();
  const run = job.start();
  await until(
    () => proxy.connections > 0,
    startedAtMs + MARGIN_MS,
    () => 'nobody connects',
  );
  injected(proxy.connections);
  if (heals) proxy.heal();
  const result = await run.result;
  const seconds = (performance.now() - startedAtMs) / 1000;
  add('seconds', seconds);
  if (heals) await job.checkDone(result);
  else await job.checkFailed(result, [5]);
  // A try that is under way when the time is over still has its half minute.
  if (seconds * 1000 > (heals ? 1 : 2) * (IDLE_MS + MARGIN_MS))
    throw new Violation('unclear', `it took ${seconds} seconds`);
}

test('both sides find a silent connection within 30 seconds, and the transfer goes on over another', async () => {
  const one = { sample: 1, full: 4 };
  // All at once: they wait most of the time.
  await allOf(
    DIRECTIONS.flatMap((direction) => [
      ...Object.entries(SILENCES).map(([name, how]) =>
        campaign('network', `${name} in the middle of a ${direction}`, one, (given) =>
          goSilent(direction, how, given),
        ),
      ),
      campaign(
        'network',
        `connections of a ${direction} are accepted and not answered at first`,
        one,
        (given) => neverAnswered(direction, true, given),
      ),
      // Two half minutes of nothing are no sample.
      ...(IS_FULL
        ? [
            campaign(
              'network',
              `connections of a ${direction} are accepted and never answered`,
              one,
              (given) => neverAnswered(direction, false, given),
            ),
          ]
        : []),
    ]),
  );
});
