/** A transfer that was interrupted by a signal says that everything is kept: also when the power goes right after. */
import { describe, expect, test } from 'vitest';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkToldError } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { missingForPowerCuts, sampledKinds } from './support/power-disk.ts';
import { createPullScene } from './support/pull-scene.ts';
import { createPushScene, createTrees, succeed, untilSuccess } from './support/push-scene.ts';

const MIB = 1024 * 1024;
const PARALLEL = 4;
/** No sync point comes by itself: what is kept is kept because the signal asked for it. */
const SYNC = ['--sync', 'close'];
const WIDTH = ['--parallel', `${PARALLEL}`];

describe.skipIf(missingForPowerCuts !== '').each(sampledKinds('xfs'))(
  `Ctrl-C and then a power cut of the receiver, on $name${missingForPowerCuts}`,
  (kind) => {
    test('an interrupted push keeps every chunk that its server answered through a power cut', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `Ctrl-C of a push to ${kind.name}, then a cut`,
        { sample: 1, full: 8, until: 'kept MiB' },
        async (run) => {
          const scene = await createPushScene({ kind, trees, pushArgs: SYNC, serveArgs: SYNC });
          const push = scene.push();
          await Promise.race([scene.tap.moreRequests(20 + Math.floor(run.random() * 60)), push.result]);
          push.child.kill('SIGINT');
          checkToldError(await push.result, [130]);
          const { durable, durableBytes } = await scene.cut();
          run.injected();
          run.add('kept MiB', durableBytes / MIB);
          const lost = [...scene.tap.answered].filter((chunk) => !durable.has(chunk));
          if (lost.length > 0)
            throw new Violation('lost', `answered chunks: ${lost.join(', ')}`, lost.length);
          await scene.world.server.start({});
          const second = scene.push();
          await untilSuccess(second);
          await scene.checkFinished();
          run.injected();
          await succeed(second);
          await scene.end();
        },
      );
      checkTotals(() => {
        expect(report.faults).toBeGreaterThan(1);
        expect(report.figures['kept MiB']).toBeGreaterThan(0);
      });
    });

    test('an interrupted pull keeps every chunk that had arrived through a power cut', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `Ctrl-C of a pull to ${kind.name}, then a cut`,
        { sample: 1, full: 8, until: 'kept MiB' },
        async (run) => {
          const scene = await createPullScene({ kind, trees, pullArgs: [...SYNC, ...WIDTH] });
          const pull = scene.pull();
          await Promise.race([scene.tap.moreRequests(20 + Math.floor(run.random() * 60)), pull.result]);
          pull.child.kill('SIGINT');
          checkToldError(await pull.result, [130]);
          const { durable, durableBytes } = await scene.cut(pull);
          run.injected();
          run.add('kept MiB', durableBytes / MIB);
          const lost = scene.tap.requests.filter(({ chunk }) => !durable.has(chunk));
          if (lost.length > PARALLEL)
            throw new Violation(
              'lost',
              `${lost.length} chunks were asked for and are not there`,
              lost.length,
            );
          const second = scene.pull();
          await untilSuccess(second);
          await scene.checkFinished(second);
          run.injected();
          await scene.end();
        },
      );
      checkTotals(() => {
        expect(report.faults).toBeGreaterThan(1);
        expect(report.figures['kept MiB']).toBeGreaterThan(0);
      });
    });
  },
);
