/** One transfer whose client is killed at a step, and perhaps at another one when it is run again. */
import path from 'node:path';
import type { FaultRun } from '../support/campaign.ts';
import { workFolder } from '../support/world.ts';
import { checkDisk } from './disk.ts';
import {
  checkEndedWell,
  checkIdle,
  checkSentTwice,
  outliveForgotten,
  remember,
  serverOf,
  explained,
  movedBytes,
  type KillHooks,
  whileFrozen,
} from './running.ts';
import { openScene, type Scenario } from './scenario.ts';
import { stepsIn, stoppedBefore, stoppingAt, watching, type Step } from './steps.ts';

/** The steps of a client in one transfer. */
export async function recordClient(scenario: Scenario): Promise<Step[]> {
  const scene = await openScene(scenario);
  const { world } = scene;
  const log = path.join(workFolder(world, 'logs'), 'trace');
  await world.server.start();
  const result = await world.run(scene.args, watching(log));
  checkEndedWell(scene, result);
  await checkIdle(scene);
  const steps = stepsIn(log);
  world.remove();
  return steps;
}

/** Kills the client at the first step, and the same command at each further one; then the same command must end well. */
export async function killClientAt(
  scenario: Scenario,
  steps: readonly Step[],
  run: FaultRun,
  hooks: KillHooks = {},
): Promise<void> {
  const scene = await openScene(scenario);
  const { world } = scene;
  await world.server.start();
  const hit: string[] = [];
  const remembered = new Set<string>();
  let durableBytes = 0;
  for (const [index, step] of steps.entries()) {
    const log = path.join(workFolder(world, 'logs'), `kill-${index}`);
    const killed = await world.run(scene.args, stoppingAt(step, 'SIGKILL', log));
    if (killed.signal !== 'SIGKILL') {
      checkEndedWell(scene, killed);
      continue;
    }
    run.injected();
    hit.push(stoppedBefore(step, log) ?? 'nothing');
    remember(scene, remembered);
    durableBytes = await explained(hit, () => whileFrozen(serverOf(scene), () => checkDisk(scene)));
    hooks.afterKill?.(scene);
    run.add('checkpointed bytes checked', durableBytes);
  }
  await explained(hit, async () => {
    const result = await world.run(scene.args);
    checkEndedWell(scene, result);
    await hooks.atEnd?.(scene);
    run.add('sessions left to their lease', await outliveForgotten(scene, remembered));
    await checkIdle(scene);
    // What this run moves of what was there already is sent twice; anything else may be new.
    const moved = movedBytes(result);
    run.add('bytes moved by the last run', moved);
    checkSentTwice(run, Math.max(0, moved - (scenario.bytesTotal - durableBytes)), 0);
  });
  world.remove();
}
