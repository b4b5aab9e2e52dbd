import path from 'node:path';
import { expect, test } from 'vitest';
import { attach } from '../support/attach.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace, type Injection } from '../support/strace.ts';
import { workFolder } from '../support/world.ts';
import { creatingFaults, faultAt, faultsIn, lostPage, noSpace, SPACE_CALLS, SYNC_CALLS } from './faults.ts';
import { pullThroughServerFault, pushThroughClientFault } from './other-side.ts';
import {
  openScene,
  publishSource,
  pullOf,
  pushOf,
  pushThroughFault,
  traceOfClient,
  type DiskScene,
} from './scene.ts';

/** The trace of the server in a push or a pull without a fault. */
async function traceOfServer(
  { world }: DiskScene,
  args: readonly string[],
  calls: readonly string[],
): Promise<string> {
  const watched = await attach(world.server.pid()!, { calls });
  await world.run(args, { stateHome: workFolder(world, 'home-trace') });
  return watched.detach();
}

const SIDES = {
  'push: %s at the client': {
    trace: (scene: DiskScene, calls: readonly string[]) =>
      traceOfClient(scene, pushOf(scene, 'trace'), calls),
    through: pushThroughClientFault,
  },
  'pull: %s at the server': {
    trace: (scene: DiskScene, calls: readonly string[]) =>
      traceOfServer(
        scene,
        pullOf(scene, 'there', path.join(workFolder(scene.world, 'pulled'), 'trace')),
        calls,
      ),
    through: pullThroughServerFault,
  },
};

const FAULTS: Readonly<
  Record<string, { calls: readonly string[]; words: (call: string, at: number) => Injection; rounds: number }>
> = {
  'no space from the Nth call on': { calls: SPACE_CALLS, words: noSpace, rounds: 1 },
  'the Nth sync fails once': { calls: SYNC_CALLS, words: lostPage, rounds: 2 },
};

const CASES = Object.entries(SIDES).flatMap(([side, how]) =>
  Object.entries(FAULTS).map(([fault, what]) => ({ name: side.replace('%s', fault), ...how, ...what })),
);

test.skipIf(!canTrace).each(CASES)(
  'a transfer ends with 9 or goes on, and finishes later, after the fault "$name" (needs strace)',
  async ({ name, trace, through, calls, words, rounds }) => {
    const scene = await openScene();
    publishSource(scene);
    const faults = faultsIn(await trace(scene, calls), calls, words);
    const report = await campaign(
      'disk',
      name,
      { sample: 3, full: rounds * faults.length },
      async (given) => {
        const inject = [faultAt(faults, given.seed)];
        await through(scene, `t${given.seed}`, inject, { exitCodes: [0, 9], given });
      },
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(0));
  },
);

test.skipIf(!canTrace)(
  'a push whose server has no room for the name of a new file ends with 9, and goes on later (needs strace)',
  async () => {
    const scene = await openScene();
    const faults = creatingFaults(await traceOfServer(scene, pushOf(scene, 'trace'), ['openat']));
    const name = 'push: no space for a new file at the server';
    const report = await campaign('disk', name, { sample: 3, full: faults.length }, async (given) => {
      const inject = [faultAt(faults, given.seed)];
      await pushThroughFault(scene, `t${given.seed}`, inject, { exitCodes: [0, 9], given });
    });
    checkTotals(() => expect(report.faults).toBeGreaterThan(0));
  },
);
