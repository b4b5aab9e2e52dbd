/** Pushes and a pull at the same time, while nodes are killed and one of the pushes is aborted. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCairn } from '../../support/cli.ts';
import { pictureOf, temporaryDirectory } from '../../support/trees.ts';
import type { FaultRun } from '../support/campaign.ts';
import { Violation } from '../support/violation.ts';
import { checkNothingStaged, checkPublishers } from './checks.ts';
import { PUBLISHER_LEASE_MS } from './node-lines.ts';
import { abortOne, checkPush, endedWell, environment, OPTIONS, startPush, writeTree } from './pushes.ts';
import { type NodesOptions, type NodesScene, openNodesScene } from './scene.ts';

const PUSHES = 3;
const NODES = 3;

/** One run: see the head of this file. */
export async function killNodes(program: string, run: FaultRun, options: NodesOptions = {}): Promise<void> {
  const scene = await openNodesScene(program, options);
  const pulled = writeTree(run.random, 'pulled');
  await endedWell(startPush(scene, pulled, 'pulled').result);
  const pushes = Array.from({ length: PUSHES }, (_, index) =>
    startPush(scene, writeTree(run.random, `tree-${index}`), `tree-${index}`),
  );
  const destination = path.join(temporaryDirectory(), 'pulled');
  const pull = startCairn(['pull', ...OPTIONS, `${scene.url}/pulled`, destination], environment()).result;
  const ends = [...pushes.map(({ result }) => result), pull];
  let isOver = false;
  const over = Promise.all(ends).finally(() => (isOver = true));
  const aborting = abortOne(scene, pushes[0]!, run, () => isOver);
  await killWhile(scene, run, () => isOver);
  await over;
  const aborted = await aborting;
  run.add(`aborts: ${aborted}`, 1);
  await endedWell(pull);
  if (JSON.stringify(pictureOf(destination)) !== JSON.stringify(pictureOf(pulled))) {
    throw new Violation('false-success', 'what was pulled is not what was pushed');
  }
  for (const [index, push] of pushes.entries())
    await checkPush(scene, push, index === 0 ? aborted : 'too late');
  await checkNothingStaged(scene);
  run.add('publish calls', checkPublishers(scene));
  run.add('takeovers', countLogged(scene, 'publishing goes on where it was interrupted'));
  run.add('overtaken', countLogged(scene, 'another node has taken over a commit'));
  await scene.end();
}

/** Kills a node and starts it again, or stops it for a while, at random moments until all is over; in the end all nodes are there. */
async function killWhile(scene: NodesScene, run: FaultRun, isOver: () => boolean): Promise<void> {
  const { random } = run;
  const mostKills = 2 + Math.floor(random() * 4);
  for (let kill = 0; kill < mostKills && !isOver(); kill += 1) {
    const whilePublishing = random() < 0.6;
    if (whilePublishing) await untilPublishing(scene, isOver);
    await sleep(random() * (whilePublishing ? 150 : 900));
    if (isOver()) return;
    const publishing = scene.publishing();
    const index = publishing ?? Math.floor(random() * NODES);
    run.injected();
    if (publishing !== undefined && random() < 0.3) {
      run.add('stops while publishing', 1);
      // Long enough for another node to take over what this one goes on with.
      await scene.stopFor(index, PUBLISHER_LEASE_MS + 500 + random() * 2000);
      continue;
    }
    await scene.kill(index);
    if (publishing !== undefined) run.add('kills while publishing', 1);
    await sleep(random() * 1200);
    await scene.start(index);
  }
}

async function untilPublishing({ publishing }: NodesScene, isOver: () => boolean): Promise<void> {
  while (!isOver() && publishing() === undefined) await sleep(5);
}

function countLogged({ told }: NodesScene, message: string): number {
  return told.filter((line) => line.type === 'log' && line.message === message).length;
}
