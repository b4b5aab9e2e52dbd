/** Pushes and a pull at the same time, while nodes are killed and one of the pushes is aborted. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CliResult, startCairn } from '../../support/cli.ts';
import { pictureOf, temporaryDirectory } from '../../support/trees.ts';
import type { FaultRun } from '../support/campaign.ts';
import { Violation } from '../support/violation.ts';
import { checkNothingStaged, checkPublishers, stateOfTree } from './checks.ts';
import { NODE_TOKEN, PUBLISHER_LEASE_MS } from './node-lines.ts';
import { type NodesScene, openNodesScene } from './scene.ts';

const PUSHES = 3;
const FILES = 120;
const NODES = 3;
const OPTIONS = ['--json', '--chunk-size', '64K', '--parallel', '3', '--retry-for', '2m'];

/** A tree that is on its way to a target of its own, or was aborted. */
interface Push {
  readonly source: string;
  readonly target: string;
  readonly result: Promise<CliResult>;
}

/** What an abort was answered; `unknown` where its answer was lost. */
type Aborted = 'aborted' | 'refused' | 'unknown' | 'too late';

/** One run: see the head of this file. */
export async function killNodes(program: string, run: FaultRun): Promise<void> {
  const scene = await openNodesScene(program);
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

function environment(): { stateHome: string; token: string } {
  return { stateHome: temporaryDirectory(), token: NODE_TOKEN };
}

function startPush({ url }: NodesScene, source: string, target: string): Push {
  const { result } = startCairn(['push', ...OPTIONS, source, `${url}/${target}`], environment());
  return { source, target, result };
}

/** Small files, which publishing takes some time for, and one of several chunks. */
function writeTree(random: () => number, name: string): string {
  const source = path.join(temporaryDirectory(), name);
  mkdirSync(path.join(source, 'many'), { recursive: true });
  writeFileSync(path.join(source, 'large'), Buffer.alloc(400_000, `${name} ${random()}`));
  for (let index = 0; index < FILES; index += 1) {
    writeFileSync(path.join(source, 'many', String(index)), `${name} ${random()}`.repeat(1 + index * 5));
  }
  return source;
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

/** Aborts the session of a push at a random node, at some moment or right when it is committed. */
async function abortOne(
  scene: NodesScene,
  { target }: Push,
  { random }: FaultRun,
  isOver: () => boolean,
): Promise<Aborted> {
  const wanted = random() < 0.6 ? 'committing' : 'open';
  while (!isOver()) {
    const session = await sessionOf(scene.nodeUrl(random()), target);
    if (session?.state === wanted) {
      return abort(scene.nodeUrl(random()), session.id);
    }
    await sleep(wanted === 'open' ? random() * 300 : 5);
  }
  return 'too late';
}

const headers = { authorization: `Bearer ${NODE_TOKEN}` };

async function sessionOf(
  url: string,
  target: string,
): Promise<{ readonly id: string; readonly state: string } | undefined> {
  try {
    const lines = (await (await fetch(`${url}/.cairn/v1/sessions`, { headers })).text()).split('\n');
    const sessions = lines
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, string>);
    const found = sessions.find((each) => each['target'] === target);
    return found === undefined ? undefined : { id: found['session']!, state: found['state']! };
  } catch {
    return undefined; // that node was killed
  }
}

async function abort(url: string, id: string): Promise<Aborted> {
  try {
    const { status } = await fetch(`${url}/.cairn/v1/sessions/${id}`, { method: 'DELETE', headers });
    return status === 200 ? 'aborted' : 'refused';
  } catch {
    return 'unknown';
  }
}

async function endedWell(ending: Promise<CliResult>): Promise<void> {
  const { exitCode, last, stderr } = await ending;
  if (exitCode === 0) return;
  throw new Violation('unclear', `exit ${exitCode}, ${JSON.stringify(last)}\n${stderr}`);
}

/** What the command said is true, and fits with what the abort was answered. */
async function checkPush(
  scene: NodesScene,
  { source, target, result }: Push,
  aborted: Aborted,
): Promise<void> {
  const { exitCode, last, stderr } = await result;
  const state = await stateOfTree(scene, source, target);
  const told = `exit ${exitCode}, "${target}" is ${state}, its abort: ${aborted}; ${JSON.stringify(last)}\n${stderr}`;
  if (exitCode === 0 && state !== 'whole') throw new Violation('false-success', told);
  if (aborted === 'aborted' ? exitCode !== 10 || state !== 'absent' : false)
    throw new Violation('unclear', told);
  const mayBeGone = aborted === 'aborted' || aborted === 'unknown';
  if (exitCode !== 0 && !(mayBeGone && exitCode === 10 && state === 'absent'))
    throw new Violation('unclear', told);
}

function countLogged({ told }: NodesScene, message: string): number {
  return told.filter((line) => line.type === 'log' && line.message === message).length;
}
