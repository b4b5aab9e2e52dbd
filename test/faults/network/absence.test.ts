import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'vitest';
import { untilLine } from '../../support/cli.ts';
import type { CuttingProxy } from '../../support/cutting-proxy.ts';
import { canMount } from '../../support/requirements.ts';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { checkAcknowledged } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder } from '../support/world.ts';
import { allOf, checkInjected, createJob, DIRECTIONS, MIB, proxyBefore, type Job } from './scene.ts';
import { freePort } from '../../support/free-port.ts';

const SIZE_BYTES = 4 * MIB;

/** Whether a client can be given an /etc/hosts of its own. */
const canHaveHosts = canMount && spawnSync('unshare', ['-m', 'true']).status === 0;

function someBytesDone(job: Job, run: ReturnType<Job['start']>): Promise<unknown> {
  return untilLine(run, (line) => Number(line['bytesDone']) > 0.3 * job.sizeBytes);
}

/** Ways in which a server is not there. A port where nobody listens answers, what vanishes does not. */
const ABSENCES = {
  'refuses connections': { vanishes: false, sample: 1 },
  // A client notices after half a minute, twice.
  'swallows everything': { vanishes: true, sample: 0 },
} as const;

describe.each(DIRECTIONS)('a %s', (direction) => {
  test('a transfer ends with 5 when the network is away for longer than --retry-for, and the next run goes on', async () => {
    const cases = Object.entries(ABSENCES).filter(([, { sample }]) => IS_FULL || sample > 0);
    await allOf(
      cases.map(([how, { vanishes, sample }]) =>
        campaign(
          'network',
          `a ${direction} while a network ${how} for longer than --retry-for is kept`,
          { sample, full: 5 },
          async ({ injected, add }) => {
            const world = await createWorld();
            const proxy = await proxyBefore(world, { bytesPerSecond: 1.5 * MIB });
            const job = createJob({ world, proxy, direction, sizeBytes: SIZE_BYTES, retryFor: '2s' });
            const run = job.start();
            await someBytesDone(job, run);
            await new Promise((resolve) => setTimeout(resolve, 700)); // a sync point comes every half second
            const { port } = proxy;
            if (vanishes) injected(proxy.swallow('up', 'down'));
            else {
              injected();
              await proxy.close();
            }
            const first = await run.result;
            await job.checkFailed(first, [5]);
            add('acknowledged bytes', await checkAcknowledged(world.clientHome, world.root));
            const listed = await world.run(['transfers', 'list']);
            if (!listed.stdout.toString().includes(`"${direction}"`))
              throw new Violation('lost', 'the transfer is not listed');
            if (vanishes) proxy.heal();
            else await proxyBefore(world, { listen: { host: '127.0.0.1', port } });
            const second = await job.run();
            await job.checkDone(second);
            const resumed = Number(second.last['bytesResumed']);
            add('resumed bytes', resumed);
            if (resumed === 0) throw new Violation('lost', 'nothing was resumed');
          },
        ),
      ),
    );
  });

  const moving = `a ${direction} finds a server that moves to another address behind the same name`;
  test.skipIf(!canHaveHosts)(`${moving} (needs root and unshare)`, () =>
    campaign('network', moving, { sample: 1, full: 10 }, async ({ random, injected, add }) => {
      const world = await createWorld();
      const port = await freePort();
      const at = (host: string): Promise<CuttingProxy> =>
        proxyBefore(world, { listen: { host, port }, bytesPerSecond: 4 * MIB });
      const hosts = path.join(workFolder(world, 'etc'), 'hosts');
      writeFileSync(hosts, '127.0.0.2 cairn-moves.test\n');
      const before = await at('127.0.0.2');
      const job = createJob({
        world,
        proxy: { port },
        direction,
        sizeBytes: SIZE_BYTES,
        host: 'cairn-moves.test',
      });
      const script = `mount --bind '${hosts}' /etc/hosts && exec "$@"`;
      const run = job.start({ before: ['unshare', '-m', 'sh', '-c', script, 'sh'] });
      await someBytesDone(job, run);
      const after = await at('127.0.0.3');
      // The old address is dead for a while before the name has the new one.
      await before.close();
      await new Promise((resolve) => setTimeout(resolve, 500 * random()));
      writeFileSync(hosts, '127.0.0.3 cairn-moves.test\n');
      const result = await run.result;
      checkInjected(after.connections);
      injected();
      add('bytes at the new address', job.way === 'up' ? after.bytesUp : after.bytesDown);
      await job.checkDone(result);
    }),
  );
});
