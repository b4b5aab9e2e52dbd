/** A node dies right before or right after one of its changes of the store, in a push, an abort or while it collects. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRun } from '../support/campaign.ts';
import { checkCollected, checkNothingStaged, checkPublishers } from './checks.ts';
import { abortOne, checkPush, endedWell, startPush, writeTree } from './pushes.ts';
import { openNodesScene } from './scene.ts';
import { STRIKE, type Strike } from './strike.ts';

const FILES = 12;
/** Further changes of one kind are like those before. */
const MOST_OF_A_KIND = 5;
const LOOK_MS = 20;
const PATIENCE_LOOKS = 3000;

/** Finds the changes that one node makes in a run in which nothing happens to it; those that publish come first. */
export async function findStrikes(program: string, run: FaultRun): Promise<readonly Strike[]> {
  const counts = new Map<string, number>();
  for (const what of await runOver(program, run, 'count')) counts.set(what, (counts.get(what) ?? 0) + 1);
  const kinds = [...counts.keys()].toSorted((a, b) => Number(b === 'publish') - Number(a === 'publish'));
  return kinds.flatMap((what) =>
    Array.from({ length: Math.min(MOST_OF_A_KIND, counts.get(what)!) }, (_, index) => index + 1).flatMap(
      (nth) =>
        (['before', 'after'] as const).map((moment): Strike => ({ what, nth, moment, signal: 'SIGKILL' })),
    ),
  );
}

/** One run with one strike. */
export async function strikeNode(program: string, strike: Strike, run: FaultRun): Promise<void> {
  await runOver(program, run, JSON.stringify(strike));
}

/** A push, then at the same time a newer one to the same target and one that is aborted; answers what the first node told of. */
async function runOver(program: string, run: FaultRun, words: string): Promise<readonly string[]> {
  const scene = await openNodesScene(program, {
    environmentOf: (index) => (index === 0 ? { [STRIKE]: words } : {}),
    isFirstPreferred: true,
  });
  await endedWell(startPush(scene, writeTree(run.random, 'older', FILES), 'tree').result);
  const newer = startPush(scene, writeTree(run.random, 'newer', FILES), 'tree');
  const other = startPush(scene, writeTree(run.random, 'other', FILES), 'other');
  let isOver = false;
  const over = Promise.all([newer.result, other.result]).finally(() => (isOver = true));
  const aborted = await abortOne(scene, other, run, () => isOver);
  await over;
  await checkPush(scene, newer, 'too late');
  await checkPush(scene, other, aborted);
  await checkNothingStaged(scene);
  await checkCollected(scene);
  run.add('publish calls', checkPublishers(scene));
  if (scene.told.some(({ type }) => type === 'struck')) run.injected();
  await scene.end();
  return scene.told.flatMap((line) => (line.type === 'change' ? [line.what] : []));
}

/** One run: a publisher is stopped right before it publishes; when it wakes, what it has is old. */
export async function wakePublisher(program: string, run: FaultRun): Promise<void> {
  const strike: Strike = { what: 'publish', nth: 1, moment: 'before', signal: 'SIGSTOP' };
  const scene = await openNodesScene(program, {
    environmentOf: (index) => (index === 0 ? { [STRIKE]: JSON.stringify(strike) } : {}),
    isFirstPreferred: true,
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let look = 0; look < PATIENCE_LOOKS; look += 1) {
      if (isSo()) return;
      await sleep(LOOK_MS);
    }
    throw new Error('the publisher was not stopped, or did not go on');
  };
  const older = startPush(scene, writeTree(run.random, 'older', FILES), 'tree');
  await until(() => scene.told.some(({ type }) => type === 'stopped'));
  run.injected();
  const stopped = scene.told.find(({ type }) => type === 'stopped')!.node;
  // Another node finishes it; its client asks there, or is gone.
  if (run.random() < 0.5) older.child.kill('SIGKILL');
  await checkNothingStaged(scene);
  const newer = startPush(scene, writeTree(run.random, 'newer', FILES), 'tree');
  await checkPush(scene, newer, 'too late');
  const before = scene.told.length;
  scene.wake(0);
  await until(() => scene.told.slice(before).some(({ type, node }) => type === 'ends' && node === stopped));
  await checkPush(scene, newer, 'too late');
  run.add('woken publishers', 1);
  await checkNothingStaged(scene);
  await checkCollected(scene);
  await checkPush(scene, newer, 'too late');
  run.add('publish calls', checkPublishers(scene));
  older.child.kill('SIGKILL');
  await scene.end();
}
