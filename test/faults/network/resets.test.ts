import { describe, test } from 'vitest';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { Violation } from '../support/violation.ts';
import { createWorld } from '../support/world.ts';
import type { CuttingProxy } from '../../support/cutting-proxy.ts';
import {
  allOf,
  checkInjected,
  createJob,
  DIRECTIONS,
  KIB,
  MIB,
  movedBytes,
  proxyBefore,
  wayOf,
  type Job,
} from './scene.ts';

/** Cuts everything `count` times, evenly over the transfer, give or take half a distance. Answers how often it did. */
function cutOften(proxy: CuttingProxy, job: Job, count: number, random: () => number): () => number {
  const distance = job.sizeBytes / (count + 1);
  let cuts = 0;
  let lastAt = 0;
  const arm = (): void => {
    const at = distance * (cuts + 0.5 + random());
    const more = at - lastAt;
    lastAt = at;
    proxy.cutAfter(job.way, more, () => {
      cuts += 1;
      if (cuts < count) arm();
    });
  };
  arm();
  return () => cuts;
}

describe.each(DIRECTIONS)('a %s', (direction) => {
  const resets = `a ${direction} through resets at random bytes arrives whole`;
  test(resets, () =>
    campaign('network', resets, { sample: 2, full: 40 }, async ({ random, injected, add }) => {
      const world = await createWorld();
      const proxy = await proxyBefore(world, { bytesPerSecond: 24 * MIB });
      const job = createJob({ world, proxy, direction, sizeBytes: 8 * MIB, chunkSize: '256K' });
      const cuts = cutOften(proxy, job, 10 + Math.floor(random() * 30), random);
      const result = await job.run();
      checkInjected(cuts());
      injected(cuts());
      add('retries', Number(result.last['retries']));
      await job.checkDone(result);
    }),
  );

  const sizeMib = IS_FULL ? 1024 : 32;
  const wanted = IS_FULL ? 200 : 10;
  const many = `a ${direction} of ${sizeMib} MiB through ${wanted} cuts moves at most 1.01 times its bytes`;
  test(many, () =>
    campaign('network', many, { sample: 1, full: 1 }, async ({ random, injected, add }) => {
      const world = await createWorld();
      // What a busy server has not read yet when its client comes back is sent again: a slow line leaves little of that.
      const bytesPerSecond = (IS_FULL ? 8 : 2) * MIB;
      const proxy = await proxyBefore(world, { bytesPerSecond, drains: wayOf(direction) });
      const sizeBytes = sizeMib * MIB;
      const job = createJob({ world, proxy, direction, sizeBytes, chunkSize: IS_FULL ? '8M' : '4M' });
      const cuts = cutOften(proxy, job, wanted, random);
      const result = await job.run();
      injected(cuts());
      if (cuts() < wanted) throw new Error(`only ${cuts()} cuts`);
      const crossed = direction === 'push' ? proxy.bytesUp : proxy.bytesDown;
      add('crossed / size', crossed / sizeBytes);
      add('told / size', movedBytes(result) / sizeBytes);
      await job.checkDone(result);
      if (crossed > 1.01 * sizeBytes)
        throw new Violation('unclear', `${crossed} bytes crossed for a file of ${sizeBytes}`);
    }),
  );
});

/** Counts what goes by and is not of a chunk: heads, and messages. */
function countTalk(proxy: CuttingProxy, counted: Job['way']): () => number {
  let talkBytes = 0;
  proxy.onPiece(({ way, bytes, bodyFrom, request }) => {
    if (way === counted) talkBytes += request?.path.includes('/chunks/') === true ? bodyFrom : bytes.length;
  });
  return () => talkBytes;
}

describe('connections that live shorter than a chunk takes', () => {
  const LINK = { bytesPerSecond: 125_000, maxAgeMs: 5000 };
  const sizeBytes = IS_FULL ? 8 * MIB : 1.5 * MIB;

  async function crawl(
    direction: 'push' | 'pull',
    restarts: number,
    { injected, add }: { injected: (count: number) => void; add: (figure: string, value: number) => void },
  ): Promise<void> {
    const world = await createWorld();
    const proxy = await proxyBefore(world, { ...LINK, drains: wayOf(direction) });
    const job = createJob({ world, proxy, direction, sizeBytes, chunkSize: IS_FULL ? '4M' : '1M' });
    const talkBytes = countTalk(proxy, job.way);
    const run = job.start();
    const isOver = (): boolean => run.child.exitCode !== null;
    for (let restart = 0; restart < restarts && !isOver(); restart += 1) {
      const from = direction === 'push' ? proxy.bytesUp : proxy.bytesDown;
      const crossed = (): number => (direction === 'push' ? proxy.bytesUp : proxy.bytesDown) - from;
      while (!isOver() && crossed() < 0.4 * sizeBytes)
        await new Promise((resolve) => setTimeout(resolve, 50));
      await world.server.kill();
      await world.server.start();
    }
    const result = await run.result;
    const crossed = direction === 'push' ? proxy.bytesUp : proxy.bytesDown;
    // Four connections at a time, and those of before the last cut.
    const cuts = proxy.connections - 4;
    checkInjected(Math.max(0, cuts));
    injected(cuts + restarts);
    add('connections', proxy.connections);
    add('crossed / size', crossed / sizeBytes);
    add('told / size', movedBytes(result) / sizeBytes);
    await job.checkDone(result);
    const payload = crossed - talkBytes();
    add('payload / size', payload / sizeBytes);
    if (payload > 1.02 * sizeBytes + restarts * KILL_BYTES)
      throw new Violation('unclear', `${payload} bytes of chunks crossed for a file of ${sizeBytes}`);
  }

  /** What a killed server may cost by its sync mode, half a second of the line, and a piece of the proxy on its way. */
  const KILL_BYTES = LINK.bytesPerSecond / 2 + 64 * KIB;

  const steady = 'a push and a pull over connections of 5 seconds at 1 Mbit/s go on steadily';
  const restarted = 'a push and a pull over such connections outlive a killed server';
  test('a transfer that is cut every 5 seconds at 1 Mbit/s goes on inside its chunks, over a restart, too', async () => {
    // All at once: they wait most of the time.
    await allOf([
      ...DIRECTIONS.map((direction) =>
        campaign('network', `${steady}: ${direction}`, { sample: 1, full: 1 }, (given) =>
          crawl(direction, 0, given),
        ),
      ),
      ...DIRECTIONS.map((direction) =>
        campaign('network', `${restarted}: ${direction}`, { sample: 1, full: 1 }, (given) =>
          crawl(direction, 1, given),
        ),
      ),
    ]);
  });
});
