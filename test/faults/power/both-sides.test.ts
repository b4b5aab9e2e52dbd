/** Client and server lose their power at the same moment, each with a disk of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { missingForPowerCuts, sampledKinds } from './support/power-disk.ts';
import { createPushScene, createTrees, succeed, untilSuccess } from './support/push-scene.ts';

const MIB = 1024 * 1024;

describe.skipIf(missingForPowerCuts !== '').each(sampledKinds('ext4'))(
  `power cuts of both machines of a push, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a push between two machines that lose their power together is finished by the same command', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `both sides on ${kind.name}: cut together, and again while they recover`,
        { sample: 1, full: 12, until: 'acknowledged MiB' },
        async (run) => {
          const { add, injected, random } = run;
          const scene = await createPushScene({ kind, trees, clientKind: kind });
          let push = scene.push();
          const moment = scene.tap.nextAcknowledgement().then(() => scene.tap.moreRequests(random() * 40));
          await Promise.race([moment, push.result]);
          const { acknowledgedBytes } = await scene.cut({ client: push });
          injected(2);
          add('acknowledged MiB', acknowledgedBytes / MIB);
          // Both boot, and the power goes again before, while or after they find each other.
          const starting = scene.world.server.start({}).catch(() => undefined); // it may be killed
          push = scene.push();
          await sleep(random() * 1200);
          await scene.cut({ client: push });
          injected(2);
          await starting;
          await scene.world.server.start({});
          push = scene.push();
          await untilSuccess(push);
          await scene.checkFinished();
          injected(2);
          await succeed(push);
          await scene.end();
        },
      );
      checkTotals(() => {
        expect(report.faults).toBeGreaterThan(2);
        expect(report.figures['acknowledged MiB']).toBeGreaterThan(0);
      });
    });
  },
);
