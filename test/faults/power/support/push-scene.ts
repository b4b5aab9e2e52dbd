/** A push to a server whose disk can lose its power, through a proxy that listens. */
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { startCuttingProxy, type CuttingProxy } from '../../../support/cutting-proxy.ts';
import { temporaryDirectory } from '../../../support/trees.ts';
import { untilLine, type CliResult, type CliRun } from '../../../support/cli.ts';
import { checkBackToStart } from '../../support/back-to-start.ts';
import { checkSameTree, checkTreeOldOrNew, whatIsThere } from '../../support/invariants.ts';
import { createWorld, type World } from '../../support/world.ts';
import { clientCheckpoints } from '../../support/checkpoints.ts';
import { createPowerDisk, type DiskKind, type PowerDisk } from './power-disk.ts';
import { cutPower, serverVictim, victimOf, type PowerCut } from './power-cut.ts';
import { checkNotSentAgain, checkSurvivors, type Survivors } from './survivors.ts';
import { writeOlderTree, writeTree } from './trees.ts';
import { createWireTap, type WireTap } from './wire-tap.ts';

const MIB = 1024 * 1024;
/** Slow enough that a cut finds the transfer in the middle. */
const BYTES_PER_SECOND = 6 * MIB;
const TIDY_MS = 10_000;

/** The trees of one test, shared by all of its runs. */
export interface Trees {
  readonly source: string;
  /** What is at the target before; undefined for nothing. */
  readonly older: string | undefined;
}

/** Writes the trees of a test. */
export function createTrees(): Trees {
  const [source, older] = [temporaryDirectory(), temporaryDirectory()];
  writeTree(source);
  writeOlderTree(older);
  return { source, older };
}

/** How a scene differs from the usual one. */
export interface SceneOptions {
  readonly kind: DiskKind;
  readonly trees: Trees;
  /** Words for `cairn push`. */
  readonly pushArgs?: readonly string[];
  /** Words for `cairn serve`. */
  readonly serveArgs?: readonly string[];
  readonly bytesPerSecond?: number;
  /** A disk for the state of the client, where that can lose its power too. */
  readonly clientKind?: DiskKind;
}

/** What every case of a push works on. */
export interface PushScene {
  readonly world: World;
  readonly disk: PowerDisk;
  readonly clientDisk: PowerDisk | undefined;
  readonly proxy: CuttingProxy;
  readonly tap: WireTap;
  readonly target: string;
  /** Starts the push; the same command each time. */
  push(): CliRun;
  /** Cuts the power of the server (and of `client`, where that is given), checks what is left, starts nothing. */
  cut(how?: Pick<PowerCut, 'outliveMs'> & { client?: CliRun }): Promise<Survivors>;
  /** The final tree is there, whole, after one more cut; nothing that was durable at a cut was sent again. */
  checkFinished(): Promise<void>;
  /** Ends the server and takes the disks away. */
  end(): Promise<void>;
}

/** Makes a disk with the older tree on it, and starts a server there. */
export async function createPushScene(options: SceneOptions): Promise<PushScene> {
  const { kind, trees, pushArgs = [], serveArgs = [] } = options;
  const disk = createPowerDisk(kind);
  const clientDisk = options.clientKind === undefined ? undefined : createPowerDisk(options.clientKind);
  const root = path.join(disk.path, 'root');
  const target = path.join(root, 'tree');
  mkdirSync(root);
  if (trees.older !== undefined) cpSync(trees.older, target, { recursive: true, preserveTimestamps: true });
  disk.sync();
  const clientHome = clientDisk === undefined ? undefined : path.join(clientDisk.path, 'home');
  const world = await createWorld({
    root,
    extraArgs: serveArgs,
    ...(clientHome === undefined ? {} : { clientHome }),
  });
  clientDisk?.sync();
  const tap = createWireTap();
  const proxy = await startCuttingProxy({
    targetPort: world.server.port,
    bytesPerSecond: options.bytesPerSecond ?? BYTES_PER_SECOND,
    tap: tap.tap,
  });
  onTestFinished(() => proxy.close());
  const url = `http://127.0.0.1:${proxy.port}/tree`;
  const words = ['push', '--chunk-size', '64K', '--retry-for', '60s', ...pushArgs, trees.source, url];
  const atCuts: { readonly durable: ReadonlySet<number>; readonly epoch: number }[] = [];
  const receiver = { root, target, source: trees.source };
  const disks = clientDisk === undefined ? [disk] : [disk, clientDisk];

  const cut: PushScene['cut'] = async ({ outliveMs = 0, client } = {}) => {
    const victims = [serverVictim(world.server), ...(client === undefined ? [] : [victimOf(client)])];
    await cutPower({ disks: client === undefined ? [disk] : disks, victims, outliveMs });
    checkTreeOldOrNew(target, trees.older, trees.source);
    const survivors = await checkSurvivors(
      receiver,
      new Set([...tap.acknowledged, ...writtenDown(world.clientHome)]),
    );
    atCuts.push({ durable: survivors.durable, epoch: tap.epoch });
    return survivors;
  };
  return {
    world,
    disk,
    clientDisk,
    proxy,
    tap,
    target,
    push: () => world.start(words),
    cut,
    checkFinished: async () => {
      await cutPower({ disks, victims: [serverVictim(world.server)] });
      checkSameTree(trees.source, target);
      for (const { durable, epoch } of atCuts) checkNotSentAgain(tap.requests, durable, epoch);
      await world.server.start({});
      // A cut may bring back the record of a client that had finished.
      if (clientDisk !== undefined) await succeed(world.start(words));
      // What it brought back of the staging goes soon after a start.
      await checkBackToStart(world, { patienceMs: TIDY_MS });
    },
    end: async () => {
      await world.server.kill();
      await proxy.close();
      await disk.remove();
      await clientDisk?.remove();
    },
  };
}

/** The chunks that the client has written down as durable at the server. */
function writtenDown(clientHome: string): number[] {
  // When it is over, it is being forgotten.
  return whatIsThere(() =>
    clientCheckpoints(clientHome).flatMap(({ digests }) => [...digests.chunks.copy().values()]),
  );
}

/** Resolves when the command says that it has succeeded; rejects when it ends otherwise. */
export async function untilSuccess(run: CliRun): Promise<void> {
  const summary = await untilLine(run, (line) => line['type'] === 'summary').catch(async (error: unknown) => {
    const { exitCode, last } = await run.result;
    if (exitCode === 0) return last; // it had said so before anybody listened
    throw error;
  });
  if (summary['exitCode'] !== 0) throw new Error(`the push ended with ${JSON.stringify(summary)}`);
}

/** Waits for exit 0; anything else says what it was. */
export async function succeed(run: CliRun): Promise<CliResult> {
  const result = await run.result;
  if (result.exitCode !== 0)
    throw new Error(
      `exit ${result.exitCode ?? result.signal}: ${JSON.stringify(result.last)}\n${result.stderr}`,
    );
  return result;
}
