/** Pushes to several nodes, and what has to be true of each when it is over. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type CliResult, startCairn } from '../../support/cli.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDirectory } from '../../support/trees.ts';
import type { FaultRun } from '../support/campaign.ts';
import { Violation } from '../support/violation.ts';
import { stateOfTree } from './checks.ts';
import { NODE_TOKEN } from './node-lines.ts';
import type { NodesScene } from './scene.ts';

/** Files of a tree, unless a test wants fewer. */
const FILES = 120;

/** Options of every push and pull. */
export const OPTIONS = ['--json', '--chunk-size', '64K', '--parallel', '3', '--retry-for', '2m'];

/** A tree that is on its way to a target of its own, or was aborted. */
export interface Push {
  readonly source: string;
  readonly target: string;
  readonly child: ChildProcess;
  readonly result: Promise<CliResult>;
}

/** What an abort was answered; `unknown` where its answer was lost. */
type Aborted = 'aborted' | 'refused' | 'unknown' | 'too late';

/** That of one client. */
export function environment(): { stateHome: string; token: string } {
  return { stateHome: temporaryDirectory(), token: NODE_TOKEN };
}

/** Starts a push through the balancer. */
export function startPush({ url }: NodesScene, source: string, target: string): Push {
  const { child, result } = startCairn(['push', ...OPTIONS, source, `${url}/${target}`], environment());
  return { source, target, child, result };
}

/** Small files, which publishing takes some time for, and one of several chunks. */
export function writeTree(random: () => number, name: string, files = FILES): string {
  const source = path.join(temporaryDirectory(), name);
  mkdirSync(path.join(source, 'many'), { recursive: true });
  writeFileSync(path.join(source, 'large'), Buffer.alloc(400_000, `${name} ${random()}`));
  for (let index = 0; index < files; index += 1) {
    writeFileSync(path.join(source, 'many', String(index)), `${name} ${random()}`.repeat(1 + index * 5));
  }
  return source;
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

/** Expects exit 0. @throws Violation */
export async function endedWell(ending: Promise<CliResult>): Promise<void> {
  const { exitCode, last, stderr } = await ending;
  if (exitCode === 0) return;
  throw new Violation('unclear', `exit ${exitCode}, ${JSON.stringify(last)}\n${stderr}`);
}

/** What the command said is true, and fits with what the abort was answered. */
export async function checkPush(
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

/** Aborts the session of a push at a random node, at some moment or right when it is committed. */
export async function abortOne(
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
