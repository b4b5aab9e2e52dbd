/** The disk of a server loses its power while a client pushes to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkToldError } from '../support/invariants.ts';
import { DISK_KINDS, missingForPowerCuts, sampledKinds, WRITEBACK } from './support/power-disk.ts';
import { pushThroughCuts } from './support/push-cuts.ts';
import { createPushScene, createTrees, succeed } from './support/push-scene.ts';

/** Cuts in one push. */
const CUTS = IS_FULL ? 3 : 2;

/** A random number of chunks on the wire until a cut; the whole tree has about 110. */
function someChunks(random: () => number): number {
  return 15 + Math.floor(random() * 45);
}

describe.skipIf(missingForPowerCuts !== '').each([...DISK_KINDS, WRITEBACK])(
  `power cuts of a server at any moment, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a server that loses its power at any moment or after exit 0 keeps what it acknowledged, and tears no file', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `push to ${kind.name}: cuts at random moments, and right after exit 0`,
        { sample: 1, full: 12, until: 'acknowledged MiB' },
        async (run) => {
          const scene = await createPushScene({ kind, trees });
          let cuts = 0;
          const moment = async (): Promise<void> => {
            cuts += 1;
            // The second one has something acknowledged to lose.
            if (cuts === 2) await scene.tap.nextAcknowledgement();
            await scene.tap.moreRequests(cuts === 2 ? 5 : someChunks(run.random));
          };
          await pushThroughCuts(scene, run, { cuts: CUTS, moment, killsClient: true });
          await scene.end();
        },
      );
      checkTotals(() => {
        expect(report.faults).toBeGreaterThan(1);
        expect(report.figures['acknowledged MiB']).toBeGreaterThan(0);
      });
    });
  },
);

describe.skipIf(missingForPowerCuts !== '').each(DISK_KINDS)(
  `power cuts of a server after an acknowledgement, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a server that loses its power right after it calls chunks durable keeps these chunks', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `push to ${kind.name}: cuts right after an acknowledgement`,
        { sample: 1, full: 12, until: 'acknowledged MiB' },
        async (run) => {
          const scene = await createPushScene({ kind, trees });
          const moment = (): Promise<void> => scene.tap.nextAcknowledgement();
          await pushThroughCuts(scene, run, { cuts: CUTS, moment });
          await scene.end();
        },
      );
      checkTotals(() => {
        expect(report.faults).toBeGreaterThan(1);
        expect(report.figures['acknowledged MiB']).toBeGreaterThan(0);
      });
    });
  },
);

describe.skipIf(missingForPowerCuts !== '').each(sampledKinds('xfs'))(
  `power cuts of a server during its recovery, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a push to a server that loses its power again while it starts and resumes is finished', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `push to ${kind.name}: cut again during the recovery`,
        { sample: 1, full: 10 },
        async (run) => {
          const scene = await createPushScene({ kind, trees });
          const moment = (): Promise<void> => scene.tap.moreRequests(someChunks(run.random));
          const duringStart = async (): Promise<void> => {
            const starting = scene.world.server.start({}).catch(() => undefined); // it is killed
            await sleep(run.random() * 700);
            await scene.cut();
            run.injected();
            await starting;
          };
          await pushThroughCuts(scene, run, { cuts: CUTS - 1, moment, beforeStart: duringStart });
          await scene.end();
        },
      );
      checkTotals(() => expect(report.faults).toBeGreaterThan(1));
    });
  },
);

describe.skipIf(missingForPowerCuts !== '').each(sampledKinds('ext4'))(
  `power cuts of a disk whose server lives on, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a server that lives on for a while without its disk acknowledges nothing that is not there', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `push to ${kind.name}: the disk goes, its server lives on for a while`,
        { sample: 1, full: 10 },
        async (run) => {
          const scene = await createPushScene({ kind, trees });
          let push = scene.push();
          await Promise.race([scene.tap.moreRequests(someChunks(run.random)), push.result]);
          await scene.cut({ outliveMs: 50 + run.random() * 600 });
          run.injected();
          await scene.world.server.start({});
          // A client that was told of the broken disk has ended; one that only saw the connection go waits.
          await Promise.race([sleep(300), push.result]);
          if (push.child.exitCode !== null && push.child.exitCode !== 0) {
            checkToldError(await push.result, [9]);
            run.add('clients told of it', 1);
            push = scene.push();
          }
          await succeed(push);
          await scene.checkFinished();
          run.injected();
          await scene.end();
        },
      );
      checkTotals(() => expect(report.faults).toBeGreaterThan(1));
    });
  },
);
