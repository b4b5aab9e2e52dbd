/** One transfer in which a side is asked to end, by SIGTERM, right before one of its steps. */
import path from 'node:path';
import type { CliResult, CliRun } from '../../support/cli.ts';
import type { FaultRun } from '../support/campaign.ts';
import { checkToldError } from '../support/invariants.ts';
import { sessionRecords } from '../support/sessions.ts';
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
  outliveForgotten,
  remember,
  serverOf,
  whileFrozen,
} from './running.ts';
import { openScene, type Scenario, type Scene } from './scenario.ts';
import { stoppedBefore, stoppingAt, timesStopped, type Step } from './steps.ts';

const TERMINATED = 143;
/** What a server takes to end at most: its grace twice, and as much again for a machine that is busy. */
const MAX_DRAIN_MS = 40_000;

/** Asks a server to end at a step; it is started again, and its client, which waits, must end well by itself. */
export async function endServerAt(scenario: Scenario, step: Step, run: FaultRun): Promise<void> {
  const scene = await openScene(scenario);
  const { world } = scene;
  const log = path.join(workFolder(world, 'logs'), 'trace');
  const launch = stoppingAt(step, 'SIGTERM', log);
  await world.server.start(launch).catch(() => undefined); // it may not get that far
  const client = world.start(scene.args);
  await Promise.race([client.result, world.server.ended()]);
  const isReached = timesStopped(step, log) > 0;
  if (isReached) run.injected();
  else void world.server.stop(); // the step may be one of its end
  const ended = await world.server.ended();
  const isTwice = timesStopped(step, log) + (isReached ? 0 : 1) > 1;
  const hit = stoppedBefore(step, log) ?? 'nothing';
  let mayMove = 0;
  await explained([hit], async () => {
    if (!endedAtOnce(ended, isTwice, run)) checkDrained(scene, ended, run);
    await whileFrozen(client.child, async () => {
      mayMove = scenario.bytesTotal - (await checkDisk(scene));
    });
  });
  await letAnHourPass(world.server.stateHome);
  await world.server.start();
  await explained([hit], async () => {
    const result = await client.result;
    checkEndedWell(scene, result);
    await checkIdle(scene);
    checkSentTwice(run, Math.max(0, movedBytes(result) - scenario.bytesTotal), mayMove);
  });
  world.remove();
}

/** Whether a second SIGTERM came, from another thread's count, and the process ended without ceremony, as it should. */
function endedAtOnce({ signal }: CliResult, isTwice: boolean, run: FaultRun): boolean {
  if (!isTwice || signal !== 'SIGTERM') return false;
  run.add('asked twice', 1);
  return true;
}

/** It finished what was under way, said so, and left every session in a state that does not need it. */
function checkDrained({ world }: Scene, ended: CliResult, run: FaultRun): void {
  const drainingSince = /"time":(\d+)[^\n]*"msg":"draining"/.exec(ended.stderr)?.[1];
  if (drainingSince === undefined && ended.signal === 'SIGTERM') {
    run.add('ended before it listened', 1); // nothing was under way, and nothing handles signals so early
    return;
  }
  if (ended.exitCode !== 0)
    throw new Violation(
      'unclear',
      `the server ended with ${ended.exitCode ?? ended.signal}:\n${ended.stderr}`,
    );
  const tookMs = Date.now() - Number(drainingSince);
  run.add('drained', 1);
  run.add('ms to drain, all together', tookMs);
  if (tookMs > MAX_DRAIN_MS) throw new Violation('unclear', `it took ${tookMs} ms to end`);
  const open = sessionRecords(world.root).filter(({ state }) => state === 'open' || state === 'committing');
  if (open.length > 0) throw new Violation('leak', `not suspended: ${JSON.stringify(open)}`);
}

/** Asks a client to end at a step; what it says to run then must finish the transfer. */
export async function endClientAt(scenario: Scenario, step: Step, run: FaultRun): Promise<void> {
  const scene = await openScene(scenario);
  const { world } = scene;
  const log = path.join(workFolder(world, 'logs'), 'trace');
  await world.server.start();
  const ended = await world.run(scene.args, stoppingAt(step, 'SIGTERM', log));
  const hit = stoppedBefore(step, log) ?? 'nothing';
  const timesAsked = timesStopped(step, log);
  if (timesAsked > 0) run.injected();
  const remembered = new Set<string>();
  remember(scene, remembered);
  let durableBytes = 0;
  await explained([hit], async () => {
    durableBytes = await whileFrozen(serverOf(scene), () => checkDisk(scene));
    const command = commandAfter(scene, ended, { isTwice: timesAsked > 1, durableBytes, run });
    const again = await (command === undefined ? world.run(scene.args) : runCommand(scene, command).result);
    if (again.exitCode !== 0) throw new Violation('unclear', `"${command}" failed:\n${again.stderr}`);
    run.add('sessions left to their lease', await outliveForgotten(scene, remembered));
    await checkIdle(scene);
    if (command === undefined)
      checkSentTwice(run, Math.max(0, movedBytes(again) - (scenario.bytesTotal - durableBytes)), 0);
  });
  world.remove();
}

/** The command that a client said resumes, where it was interrupted; the same one as before is as good. */
function commandAfter(
  scene: Scene,
  ended: CliResult,
  { isTwice, durableBytes, run }: { isTwice: boolean; durableBytes: number; run: FaultRun },
): string | undefined {
  const command = /to resume, run: (.+)/.exec(ended.stderr)?.[1];
  if (ended.signal === 'SIGTERM' && command === undefined) {
    run.add('ended before or after all of its work', 1);
    return undefined;
  }
  if (ended.exitCode === 0) {
    run.add('was too late', 1);
    checkEndedWell(scene, ended);
    return undefined;
  }
  if (!endedAtOnce(ended, isTwice, run)) checkToldError(ended, [TERMINATED]);
  if (command === undefined && durableBytes === 0) {
    run.add('had nothing to resume from', 1);
    return undefined;
  }
  if (command === undefined) throw new Violation('unclear', `no command to resume:\n${ended.stderr}`);
  run.add('resumed as told', 1);
  return command;
}

function runCommand({ world }: Scene, command: string): CliRun {
  return world.start([], { before: ['sh', '-c', command, '--'] });
}
