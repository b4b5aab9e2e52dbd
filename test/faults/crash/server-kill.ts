/** One transfer whose server is killed at a step, and perhaps at another one while it recovers. */
import path from 'node:path';
import type { CliRun } from '../../support/cli.ts';
import type { FaultRun } from '../support/campaign.ts';
import { Violation } from '../support/violation.ts';
import { workFolder } from '../support/world.ts';
import { checkDisk } from './disk.ts';
import {
  checkEndedWell,
  checkIdle,
  checkSentTwice,
  explained,
  letAnHourPass,
  movedBytes,
  type KillHooks,
  whileFrozen,
} from './running.ts';
import { openScene, type Scenario, type Scene } from './scenario.ts';
import { stepsIn, stoppedBefore, stoppingAt, watching, type Step } from './steps.ts';

/** The steps of a server from its start to its end, with one transfer in between. */
export async function recordServer(scenario: Scenario): Promise<Step[]> {
  const scene = await openScene(scenario);
  const { world } = scene;
  const log = path.join(workFolder(world, 'logs'), 'trace');
  await world.server.start(watching(log));
  const result = await world.run(scene.args);
  checkEndedWell(scene, result);
  await checkIdle(scene);
  const steps = stepsIn(log);
  world.remove();
  return steps;
}

/**
 * Kills the server at the first step, and at each further one while it recovers from the kill before; then it is
 * started once more. The client, which waits all the time, must end well by itself.
 */
export async function killServerAt(
  scenario: Scenario,
  steps: readonly Step[],
  run: FaultRun,
  hooks: KillHooks = {},
): Promise<void> {
  const { bytesTotal } = scenario;
  const scene = await openScene(scenario);
  const { world } = scene;
  let client: CliRun | undefined;
  const hit: string[] = [];
  let mayMove = 0;
  for (const [index, step] of steps.entries()) {
    const log = path.join(workFolder(world, 'logs'), `kill-${index}`);
    await world.server.start(stoppingAt(step, 'SIGKILL', log)).catch(() => undefined); // it may not get that far
    client ??= world.start(scene.args);
    if (!(await isKilled(scene, client))) continue;
    run.injected();
    hit.push(stoppedBefore(step, log) ?? 'nothing');
    const { child } = client;
    await explained(hit, async () => {
      const durableBytes = await whileFrozen(child, () => checkDisk(scene));
      hooks.afterKill?.(scene);
      run.add('checkpointed bytes checked', durableBytes);
      mayMove += bytesTotal - durableBytes;
    });
    await letAnHourPass(world.server.stateHome);
  }
  await world.server.start();
  client ??= world.start(scene.args);
  const result = await client.result;
  await explained(hit, async () => {
    checkEndedWell(scene, result);
    await hooks.atEnd?.(scene);
    await checkIdle(scene);
    const moved = movedBytes(result);
    checkSentTwice(run, Math.max(0, moved - bytesTotal), mayMove);
  });
  world.remove();
}

/** Waits until the server was killed; ends it where it was not by the end of the transfer, which may be the step. */
async function isKilled({ world }: Scene, client: CliRun): Promise<boolean> {
  await Promise.race([client.result, world.server.ended()]);
  if (client.child.exitCode !== null) void world.server.stop();
  const { signal, exitCode, stderr } = await world.server.ended();
  if (signal === 'SIGKILL') return true;
  if (exitCode !== 0) throw new Violation('unclear', `the server ended with ${exitCode}:\n${stderr}`);
  return false;
}
