/** One larger transfer in which either side, or both, are killed again and again at random times. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliRun } from '../../support/cli.ts';
import { startCuttingProxy, type CuttingProxy } from '../../support/cutting-proxy.ts';
import type { FaultRun } from '../support/campaign.ts';
import { unfinishedSessions } from '../support/sessions.ts';
import { Violation } from '../support/violation.ts';
import { checkDisk } from './disk.ts';
import {
  checkEndedWell,
  checkIdle,
  explained,
  letAnHourPass,
  outliveForgotten,
  remember,
  serverOf,
  whileFrozen,
} from './running.ts';
import { openScene, type Scenario, type Scene } from './scenario.ts';

const MIB = 1024 * 1024;
const LARGE_BYTES = 48 * MIB;
const SMALL_FILES = 500;
/** Slow enough that kills find the transfer in the middle. */
const BYTES_PER_SECOND = 40 * MIB;
/** Manifests, headers, and what was on the line when a process died. */
const SLACK_BYTES = MIB;

type Side = 'server' | 'client';

/** One large file, and many small ones of which some are at the target already, some differ there, and some are not. */
export function writeLargerTree(root: string, age: 'fresh' | 'old'): void {
  const write = (name: string, sizeBytes: number): void => {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), randomBytes(sizeBytes));
  };
  write('large', age === 'fresh' ? LARGE_BYTES : MIB);
  for (let index = 0; index < SMALL_FILES; index += 1) {
    const name = `many/${index % 10}/${index}`;
    if (age === 'fresh') write(name, 1000 + index * 6);
    else if (index % 4 === 0) rmSync(path.join(root, name));
    else if (index % 4 !== 3) write(name, 500 + index);
  }
}

/** Kills up to `kills` times while a transfer goes on, and has it finished then. */
export async function killAtRandom(scenario: Scenario, kills: number, run: FaultRun): Promise<void> {
  const { random } = run;
  let proxy: CuttingProxy | undefined;
  const scene = await openScene(scenario, async (targetPort) => {
    proxy = await startCuttingProxy({ targetPort, bytesPerSecond: BYTES_PER_SECOND });
    return proxy.port;
  });
  const { world } = scene;
  const bill = startBill(scenario, proxy!);
  const told: string[] = [];
  const remembered = new Set<string>();
  await world.server.start();
  let client = world.start(scene.args);
  for (let kill = 0; kill < kills; kill += 1) {
    const moment = await waitForMoment(scene, client, random);
    if (client.child.exitCode !== null) break;
    const sides = await killSome(scene, client, random);
    if (sides.length === 0) break;
    told.push(`${sides.join(' and ')} ${moment}`);
    run.injected(sides.length);
    for (const side of sides) run.add(`kills of the ${side}`, 1);
    remember(scene, remembered);
    await explained(told, async () => {
      const alive = sides.includes('server') ? client.child : serverOf(scene);
      bill.settle(await whileFrozen(alive, () => checkDisk(scene)));
    });
    if (sides.includes('server')) {
      await letAnHourPass(world.server.stateHome);
      await world.server.start();
    }
    if (sides.includes('client')) client = world.start(scene.args);
  }
  await explained(told, async () => {
    checkEndedWell(scene, await client.result);
    bill.settle(scenario.bytesTotal);
    run.add('sessions left to their lease', await outliveForgotten(scene, remembered));
    await checkIdle(scene);
  });
  run.add('payload bytes', scenario.bytesTotal);
  run.add('wire bytes', bill.wireBytes());
  await proxy!.close();
  world.remove();
}

/** Kills one side or both; answers which, less a client that had come to its end just before. */
async function killSome({ world }: Scene, client: CliRun, random: () => number): Promise<Side[]> {
  const which = Math.floor(random() * 3);
  const killed: Side[] = [];
  if (which !== 0) client.child.kill('SIGKILL');
  if (which !== 1) {
    await world.server.kill();
    killed.push('server');
  }
  if (which !== 0 && (await client.result).signal === 'SIGKILL') killed.push('client');
  return killed;
}

/** A random time, or right after a start, or while it is being published; answers which. */
async function waitForMoment(scene: Scene, client: CliRun, random: () => number): Promise<string> {
  const which = random();
  const over = client.result.then(() => undefined);
  const wait = (ms: number): Promise<unknown> => Promise.race([sleep(ms), over]);
  if (which < 0.3) {
    await wait(random() * 300);
    return 'right after the start';
  }
  if (which < 0.75) {
    await wait(random() * 1500);
    return 'at some time';
  }
  const isPublishing = (): boolean =>
    unfinishedSessions(scene.world.root).some(({ state }) => state === 'committing');
  while (client.child.exitCode === null && !isPublishing()) await wait(3);
  await wait(random() * 100);
  return 'while it is being published';
}

/** What crosses the wire between two kills is at most what was in no checkpoint at the first of them. */
function startBill(
  { direction, bytesTotal }: Scenario,
  proxy: CuttingProxy,
): { settle: (durableBytes: number) => void; wireBytes: () => number } {
  const wireBytes = (): number => (direction === 'push' ? proxy.bytesUp : proxy.bytesDown);
  let mayMove = bytesTotal;
  let before = 0;
  return {
    wireBytes,
    settle: (durableBytes) => {
      const moved = wireBytes() - before;
      if (moved > mayMove + SLACK_BYTES) {
        const what = `${moved} bytes crossed the wire, and only ${mayMove} were in no checkpoint`;
        throw new Violation('lost', what, moved - mayMove);
      }
      before = wireBytes();
      mayMove = bytesTotal - durableBytes;
    },
  };
}
