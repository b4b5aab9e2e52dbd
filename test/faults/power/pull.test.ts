/** The disk of a client loses its power while it pulls: its state and its destination. */
import { describe, expect, test } from 'vitest';
import type { CliRun } from '../../support/cli.ts';
import { campaign, type FaultRun } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace, traced } from '../support/strace.ts';
import { DISK_KINDS, missingForPowerCuts, sampledKinds } from './support/power-disk.ts';
import { createPullScene, type PullScene } from './support/pull-scene.ts';
import { createTrees, untilSuccess } from './support/push-scene.ts';

const MIB = 1024 * 1024;
/** What makes things durable or visible, and how often a pull of these trees does so in one thread, about. */
const SYSTEM_CALLS = [
  { name: 'fdatasync', atMost: 20 },
  { name: 'fsync', atMost: 10 },
  { name: 'pwrite64', atMost: 30 },
  { name: 'rename', atMost: 6 },
  { name: 'renameat', atMost: 60 },
  { name: 'unlink', atMost: 8 },
  { name: 'rmdir', atMost: 2 },
] as const;

/** Cuts the power while the pull runs, runs it again each time, and cuts once more after it succeeded. */
async function pullThroughCuts(
  scene: PullScene,
  { add, injected }: FaultRun,
  plan: { cuts: number; moment: (run: CliRun) => Promise<unknown>; before?: readonly string[] },
): Promise<void> {
  let pull = scene.pull(plan.before);
  for (let cut = 0; cut < plan.cuts; cut += 1) {
    await Promise.race([plan.moment(pull), pull.result]);
    const { durableBytes } = await scene.cut(pull);
    injected();
    add('checkpointed MiB', durableBytes / MIB);
    pull = scene.pull();
  }
  await untilSuccess(pull);
  await scene.checkFinished(pull);
  injected();
}

describe.skipIf(missingForPowerCuts !== '').each(DISK_KINDS)(
  `power cuts of a pull, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a pull that loses its power at any moment or after exit 0 keeps its checkpoint, and tears no file', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `pull to ${kind.name}: cuts at random moments, and right after exit 0`,
        { sample: 1, full: 12, until: 'checkpointed MiB' },
        async (run) => {
          const scene = await createPullScene({ kind, trees });
          const moment = (): Promise<void> => scene.tap.moreRequests(55 + Math.floor(run.random() * 45));
          await pullThroughCuts(scene, run, { cuts: 2, moment });
          await scene.end();
        },
      );
      checkTotals(() => {
        expect(report.faults).toBeGreaterThan(1);
        expect(report.figures['checkpointed MiB']).toBeGreaterThan(0);
      });
    });
  },
);

describe.skipIf(missingForPowerCuts !== '').each(sampledKinds('ext4'))(
  `power cuts of a pull at system calls, on $name${missingForPowerCuts}`,
  (kind) => {
    test.skipIf(!canTrace)(
      `a pull that loses its power at the Nth system call goes on from its checkpoint${canTrace ? '' : ' (needs strace)'}`,
      async () => {
        const trees = createTrees();
        const report = await campaign(
          'power',
          `pull to ${kind.name}: cut right before the Nth sync, journal write, rename or removal`,
          { sample: 1, full: 30, until: 'at the call' },
          async (run) => {
            const { name, atMost } = SYSTEM_CALLS[(run.seed + 2) % SYSTEM_CALLS.length]!;
            const when = 1 + Math.floor(run.random() * atMost);
            const { before, env } = traced({ inject: [`${name}:signal=SIGKILL:when=${when}`] });
            const scene = await createPullScene({ kind, trees });
            const words = ['env', ...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...before];
            const moment = async ({ result }: CliRun): Promise<void> => {
              if ((await result).signal === 'SIGKILL') run.add('at the call', 1);
            };
            await pullThroughCuts(scene, run, { cuts: 1, moment, before: words });
            await scene.end();
          },
        );
        checkTotals(() => {
          expect(report.faults).toBeGreaterThan(1);
          expect(report.figures['at the call']).toBeGreaterThan(0);
        });
      },
    );
  },
);
