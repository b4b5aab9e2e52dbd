import { expect, test } from 'vitest';
import { startCuttingProxy, type CuttingProxy } from '../../support/cutting-proxy.ts';
import { campaign, type FaultRun } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkDisk } from './disk.ts';
import {
  checkEndedWell,
  checkIdle,
  checkSentTwice,
  explained,
  letAnHourPass,
  movedBytes,
  outliveForgotten,
  remember,
} from './running.ts';
import { openScene, prepareScenario, type Scenario } from './scenario.ts';

const PLACES = 40;

/** Where a seed stops the line, as a share of the transfer's bytes: from the first request to the last chunk. */
const placeOf = (seed: number): number => (((seed - 1) * 17) % PLACES) / PLACES;

async function killBothAt(scenario: Scenario, share: number, run: FaultRun): Promise<void> {
  let proxy: CuttingProxy | undefined;
  const scene = await openScene(scenario, async (targetPort) => {
    proxy = await startCuttingProxy({ targetPort });
    return proxy.port;
  });
  const { world } = scene;
  const { direction, bytesTotal } = scenario;
  const line = proxy!;
  const bytes = Math.floor(share * bytesTotal) + 1;
  // Nothing moves any more from exactly this byte on.
  const stopped = line.pauseAfter(direction === 'push' ? 'up' : 'down', bytes);
  await world.server.start();
  const client = world.start(scene.args);
  await Promise.race([stopped, client.result]);
  client.child.kill('SIGKILL');
  await Promise.all([world.server.kill(), client.result]);
  run.injected(2);
  const remembered = new Set<string>();
  remember(scene, remembered);
  line.cutAll();
  line.resume();
  await explained([`byte ${bytes} of the ${direction}, on both sides`], async () => {
    const durableBytes = await checkDisk(scene);
    run.add('checkpointed bytes checked', durableBytes);
    await letAnHourPass(world.server.stateHome);
    await world.server.start();
    const result = await world.run(scene.args);
    checkEndedWell(scene, result);
    run.add('sessions left to their lease', await outliveForgotten(scene, remembered));
    await checkIdle(scene);
    checkSentTwice(run, Math.max(0, movedBytes(result) - (bytesTotal - durableBytes)), 0);
  });
  await line.close();
  world.remove();
}

test.each(['push', 'pull'] as const)(
  'a client and a server that are killed at once in a %s go on from what the checkpoint has',
  async (direction) => {
    const scenario = await prepareScenario(direction, { extraArgs: ['--sync', 'always'] });
    const name = `client and server killed at once in a ${direction}`;
    const report = await campaign('crash', name, { sample: 3, full: PLACES }, (run) =>
      killBothAt(scenario, placeOf(run.seed), run),
    );
    checkTotals(() => expect(report.faults).toBe(2 * report.runs));
  },
);
