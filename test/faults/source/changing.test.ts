import { rmSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'vitest';
import type { CliResult, CliRun } from '../../support/cli.ts';
import { startCuttingProxy, type CuttingProxy } from '../../support/cutting-proxy.ts';
import { onTestFinished } from 'vitest';
import { campaign, type FaultRun } from '../support/campaign.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { checkClaims } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder, type World } from '../support/world.ts';
import { CHANGES, type Change } from './changes.ts';
import {
  checkAsSource,
  checkNoMixture,
  checkRestDone,
  contentsOf,
  FILES,
  TREE_BYTES,
  writeTree,
  type Versions,
} from './tree.ts';

/** A tree on its way through a proxy that stands still somewhere in the middle. */
interface Scene {
  readonly world: World;
  readonly source: string;
  readonly target: string;
  readonly versions: Versions;
  readonly proxy: CuttingProxy;
  readonly args: readonly string[];
  /** Starts the transfer; resolves when it stands still. */
  startAndStop(): Promise<CliRun>;
}

async function openScene(
  world: World,
  direction: 'push' | 'pull',
  { seed, random }: FaultRun,
): Promise<Scene> {
  const proxy = await startCuttingProxy({ targetPort: world.server.port, bytesPerSecond: 24 * 1024 * 1024 });
  onTestFinished(() => proxy.close());
  const name = `tree-${seed}`;
  const isPush = direction === 'push';
  const source = isPush ? workFolder(world, `from-${name}`) : path.join(world.root, name);
  const target = isPush ? path.join(world.root, name) : workFolder(world, `to-${name}`);
  writeTree(source);
  const versions: Versions = new Map([...contentsOf(source)].map(([file, bytes]) => [file, [bytes]]));
  const url = `http://127.0.0.1:${proxy.port}/${name}`;
  const words = ['--chunk-size', '256K', '--parallel', '2', '--retry-for', '30s'];
  const args = isPush ? ['push', source, url, ...words] : ['pull', url, target, ...words];
  return {
    world,
    source,
    target,
    versions,
    proxy,
    args,
    startAndStop: async () => {
      const stopped = proxy.pauseAfter(
        isPush ? 'up' : 'down',
        Math.floor((0.05 + 0.9 * random()) * TREE_BYTES),
      );
      const run = world.start(args);
      await Promise.race([stopped, run.result]);
      if (run.child.exitCode !== null) throw new Error(`ended before: ${(await run.result).stderr}`);
      return run;
    },
  };
}

/** Something happens to one file; answers what of the source is not carried any more. */
function changeOne({ source, versions }: Scene, change: Change, { random, injected }: FaultRun): string[] {
  const name = FILES[Math.floor(random() * FILES.length)]!;
  const known = versions.get(name)!;
  known.push(...change.apply(path.join(source, name)));
  // What came into being by the way may be carried as well.
  for (const [file, bytes] of contentsOf(source)) versions.set(file, [...(versions.get(file) ?? []), bytes]);
  injected();
  return change.isCarried ? [] : [name];
}

/** How it ended, what it named, and what it said. */
const describeRun = ({ exitCode, signal, stderr, lines, last }: CliResult): string => {
  const named = lines.filter(({ type }) => type === 'warning');
  return `exit ${exitCode ?? signal} ${[...named, last].map((line) => JSON.stringify(line)).join('\n')}\n${stderr}`;
};

/** Exit 0 or 3, no mixture, and the rest is done; run again, the target is what the source is now. */
async function checkOutcome(
  scene: Scene,
  result: CliResult,
  { left, change, wanted }: { left: readonly string[]; change: Change; wanted: Iterable<string> },
): Promise<void> {
  const { world, source, target, versions, args } = scene;
  const failed = (end: CliResult): Violation =>
    new Violation('unclear', `${change.name}: ${describeRun(end)}`);
  checkNoMixture(target, versions);
  if (result.exitCode !== 0 && result.exitCode !== 3) throw failed(result);
  checkRestDone(result, target, wanted);
  // Same size and time are taken for the same file, unless the contents are compared.
  const again = await world.run([...args, '--checksum', ...(change.words ?? [])]);
  checkNoMixture(target, versions);
  if (again.exitCode !== (left.length > 0 ? 3 : 0)) throw failed(again);
  checkAsSource(source, target, left);
  await checkClaims(world.root);
  await checkBackToStart(world, target.startsWith(world.root) ? {} : { destination: target });
  rmSync(target, { recursive: true, force: true });
}

/** Files of the source as it is now. */
const filesOf = (scene: Scene): string[] => FILES.filter((name) => contentsOf(scene.source).has(name));

const runs = { sample: 3, full: 20 * CHANGES.length };

/** Each case begins with other changes, so that a sample has all of them. */
const changeOf = (seed: number, start: number): Change => CHANGES[(start + seed) % CHANGES.length]!;

describe.each([
  { direction: 'push', start: 0 },
  { direction: 'pull', start: 7 },
] as const)('sources of a $direction that change', ({ direction, start }) => {
  const during = `a source that changes during a ${direction} is never a mixture, and the rest is done`;
  test(during, async () => {
    const world = await createWorld();
    await campaign('source', during, runs, async (given) => {
      const scene = await openScene(world, direction, given);
      const change = changeOf(given.seed, start);
      const run = await scene.startAndStop();
      const left = changeOne(scene, change, given);
      // Half of them have to read again what they had sent.
      if (given.random() < 0.5) scene.proxy.cutAll();
      scene.proxy.resume();
      const result = await run.result;
      given.add(result.exitCode === 3 ? 'partial' : 'whole', 1);
      await checkOutcome(scene, result, { left, change, wanted: FILES });
    });
  });

  const between = `a source that changes between two runs of a ${direction} is never a mixture`;
  test(between, async () => {
    const world = await createWorld();
    await campaign('source', between, runs, async (given) => {
      const scene = await openScene(world, direction, given);
      const change = changeOf(given.seed, start + 4);
      const first = await scene.startAndStop();
      // Time for a sync point, which comes every half second: the next run makes use of it.
      await new Promise((resolve) => setTimeout(resolve, 700));
      first.child.kill('SIGKILL');
      await first.result;
      scene.proxy.cutAll();
      scene.proxy.resume();
      const left = changeOne(scene, change, given);
      const result = await world.run(scene.args);
      given.add(result.exitCode === 3 ? 'partial' : 'whole', 1);
      given.add('resumed bytes', Number(result.last['bytesResumed'] ?? 0));
      await checkOutcome(scene, result, { left, change, wanted: filesOf(scene) });
    });
  });
});
