/** The disk of a server loses its power right before a system call that makes something durable or visible. */
import { describe, expect, test } from 'vitest';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace, traced } from '../support/strace.ts';
import { missingForPowerCuts, sampledKinds } from './support/power-disk.ts';
import { pushThroughCuts } from './support/push-cuts.ts';
import { createPushScene, createTrees } from './support/push-scene.ts';

/** What makes things durable or visible, and how often a push of these trees does so at least. */
const SYSTEM_CALLS = [
  { name: 'fdatasync', atMost: 24 },
  { name: 'fsync', atMost: 12 },
  { name: 'pwrite64', atMost: 24 },
  { name: 'rename', atMost: 6 },
  { name: 'renameat', atMost: 60 },
  { name: 'syncfs', atMost: 2 },
  { name: 'mkdir', atMost: 4 },
  { name: 'unlink', atMost: 4 },
] as const;

describe.skipIf(missingForPowerCuts !== '').each(sampledKinds('xfs'))(
  `power cuts of a server at system calls, on $name${missingForPowerCuts}`,
  (kind) => {
    test.skipIf(!canTrace)(
      `a server that loses its power at the Nth system call keeps what it acknowledged${canTrace ? '' : ' (needs strace)'}`,
      async () => {
        const trees = createTrees();
        const report = await campaign(
          'power',
          `push to ${kind.name}: cut right before the Nth sync, journal write, rename or removal`,
          { sample: 2, full: 42, until: 'at the call' },
          async (run) => {
            const { name, atMost } = SYSTEM_CALLS[run.seed % SYSTEM_CALLS.length]!;
            const when = 1 + Math.floor(run.random() * atMost);
            const scene = await createPushScene({ kind, trees });
            await scene.world.server.stop();
            const start = traced({ inject: [`${name}:signal=SIGKILL:when=${when}`] });
            await scene.world.server.start(start).catch(() => undefined); // it may not get so far
            const moment = async (): Promise<void> => {
              await scene.world.server.ended();
              run.add('at the call', 1);
            };
            await pushThroughCuts(scene, run, { cuts: 1, moment });
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
