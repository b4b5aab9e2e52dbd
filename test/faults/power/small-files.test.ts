/** A tree of small files is being published when the disk under it loses its power. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { CliRun } from '../../support/cli.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { contentOf } from '../support/invariants.ts';
import { canTrace, traced } from '../support/strace.ts';
import { DISK_KINDS, missingForPowerCuts, sampledKinds } from './support/power-disk.ts';
import { pushThroughCuts } from './support/push-cuts.ts';
import { createPushScene, type Trees } from './support/push-scene.ts';
import { writeSmallFiles } from './support/trees.ts';

const FILES = 2000;
/** Longest time from the commit until the cut; publishing so many takes about as long. */
const LONGEST_WAIT_MS = 150;
/** Sizes between 1 and 4 KiB. */
const sizeOf = (number: number): number => 1024 + ((number * 37) % 3073);

/** Files of a directory that is new, and comes by one rename. */
const NEW_FILES = 300;

/** Two thousand files, of which half are at the target, older and of other sizes; and a directory that is not there. */
function createSmallTrees(): Trees {
  const [source, older] = [temporaryDirectory(), temporaryDirectory()];
  writeSmallFiles(path.join(source, 'many'), FILES, sizeOf);
  writeSmallFiles(path.join(source, 'new/deeper'), NEW_FILES, sizeOf);
  writeSmallFiles(path.join(older, 'many'), FILES / 2, (number) => sizeOf(number + 5));
  return { source, older };
}

/** Resolves when the server has written down that it publishes, or when the push is over. */
async function untilCommitting(root: string, push: CliRun): Promise<void> {
  const sessions = path.join(root, '.cairn/sessions');
  while (push.child.exitCode === null) {
    const names = existsSync(sessions) ? readdirSync(sessions).filter((name) => name.endsWith('.json')) : [];
    if (names.some((name) => contentOf(path.join(sessions, name))?.includes('"state":"committing"'))) return;
    await sleep(2);
  }
}

describe.skipIf(missingForPowerCuts !== '').each(DISK_KINDS)(
  `power cuts while ${FILES} small files are published, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a tree of small files is old or new in each file when the power goes while it is published', async () => {
      const trees = createSmallTrees();
      const report = await campaign(
        'power',
        `${FILES} small files on ${kind.name}: cuts while they are published`,
        { sample: 1, full: 12 },
        async (run) => {
          const scene = await createPushScene({ kind, trees, bytesPerSecond: 64 * 1024 * 1024 });
          await pushThroughCuts(scene, run, {
            cuts: 1,
            moment: async (push) => {
              await untilCommitting(scene.world.root, push);
              await sleep(run.random() * LONGEST_WAIT_MS);
            },
          });
          await scene.end();
        },
      );
      checkTotals(() => expect(report.faults).toBeGreaterThan(0));
    });
  },
);

describe.skipIf(missingForPowerCuts !== '').each(sampledKinds('xfs'))(
  `power cuts at renames of ${FILES} small files, on $name${missingForPowerCuts}`,
  (kind) => {
    test.skipIf(!canTrace).each([
      { what: 'the Nth rename', call: 'renameat', most: FILES },
      { what: 'the rename of a new directory', call: 'renameat2', most: 1 },
    ])(
      `a tree of small files is old or new in each file when the power goes at $what${canTrace ? '' : ' (needs strace)'}`,
      async ({ what, call, most }) => {
        const trees = createSmallTrees();
        const report = await campaign(
          'power',
          `${FILES} small files on ${kind.name}: cut right before ${what}`,
          { sample: 1, full: 12 },
          async (run) => {
            const when = 1 + Math.floor(run.random() * most);
            const scene = await createPushScene({ kind, trees, bytesPerSecond: 64 * 1024 * 1024 });
            await scene.world.server.stop();
            await scene.world.server.start(
              traced({ inject: [`${call}:signal=SIGKILL:when=${when}`], mainThread: true }),
            );
            const moment = async (): Promise<void> => {
              await scene.world.server.ended();
              run.add('killed at a rename', 1);
            };
            await pushThroughCuts(scene, run, { cuts: 1, moment });
            await scene.end();
          },
        );
        checkTotals(() => {
          expect(report.faults).toBeGreaterThan(1);
          expect(report.figures['killed at a rename']).toBeGreaterThan(0);
        });
      },
    );
  },
);
