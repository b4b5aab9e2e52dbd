/** A pull whose destination and state lie on a disk that can lose its power. */
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { CliRun } from '../../../support/cli.ts';
import { startCuttingProxy } from '../../../support/cutting-proxy.ts';
import { checkBackToStart } from '../../support/back-to-start.ts';
import { checkSameTree, checkTreeOldOrNew } from '../../support/invariants.ts';
import { createWorld, type World } from '../../support/world.ts';
import { createPowerDisk, type DiskKind, type PowerDisk } from './power-disk.ts';
import { cutPower, victimOf } from './power-cut.ts';
import { succeed, type Trees } from './push-scene.ts';
import { checkNotSentAgain, checkSurvivors, type Survivors } from './survivors.ts';
import { createWireTap, type WireTap } from './wire-tap.ts';

const MIB = 1024 * 1024;
/** Slow enough that a cut finds the transfer in the middle. */
const BYTES_PER_SECOND = 5 * MIB;

/** How a scene differs from the usual one. */
export interface PullSceneOptions {
  readonly kind: DiskKind;
  readonly trees: Trees;
  /** Words for `cairn pull`. */
  readonly pullArgs?: readonly string[];
  readonly bytesPerSecond?: number;
}

/** What every case of a pull works on. */
export interface PullScene {
  readonly world: World;
  readonly disk: PowerDisk;
  readonly tap: WireTap;
  readonly destination: string;
  /** Starts the pull; the same command each time. */
  pull(before?: readonly string[]): CliRun;
  /** Cuts the power under the client and checks what is left. */
  cut(run: CliRun): Promise<Survivors>;
  /** The final tree is there, whole, after one more cut; nothing that was durable at a cut was sent again. */
  checkFinished(run: CliRun): Promise<void>;
  end(): Promise<void>;
}

/** Makes a server with the tree, and a disk with the older tree on it for the client. */
export async function createPullScene(options: PullSceneOptions): Promise<PullScene> {
  const { kind, trees, pullArgs = [] } = options;
  const disk = createPowerDisk(kind);
  const destination = path.join(disk.path, 'destination');
  if (trees.older !== undefined)
    cpSync(trees.older, destination, { recursive: true, preserveTimestamps: true });
  const clientHome = path.join(disk.path, 'home');
  const world = await createWorld({ clientHome });
  mkdirSync(clientHome, { recursive: true });
  disk.sync();
  cpSync(trees.source, path.join(world.root, 'tree'), { recursive: true, preserveTimestamps: true });
  const tap = createWireTap();
  const proxy = await startCuttingProxy({
    targetPort: world.server.port,
    bytesPerSecond: options.bytesPerSecond ?? BYTES_PER_SECOND,
    tap: tap.tap,
  });
  onTestFinished(() => proxy.close());
  const url = `http://127.0.0.1:${proxy.port}/tree`;
  const words = ['pull', '--chunk-size', '64K', '--retry-for', '60s', ...pullArgs, url, destination];
  const receiver = { root: destination, target: destination, source: path.join(world.root, 'tree') };
  const atCuts: { readonly durable: ReadonlySet<number>; readonly epoch: number }[] = [];
  return {
    world,
    disk,
    tap,
    destination,
    pull: (before = []) => world.start(words, before.length === 0 ? {} : { before }),
    cut: async (run) => {
      await cutPower({ disks: [disk], victims: [victimOf(run)] });
      checkTreeOldOrNew(destination, trees.older, receiver.source);
      const survivors = await checkSurvivors(receiver, new Set());
      atCuts.push({ durable: survivors.durable, epoch: tap.epoch });
      return survivors;
    },
    checkFinished: async (run) => {
      await cutPower({ disks: [disk], victims: [victimOf(run)] });
      checkSameTree(receiver.source, destination);
      for (const { durable, epoch } of atCuts) checkNotSentAgain(tap.requests, durable, epoch);
      // What the cut brought back of the record and the staging must not be in the way of the next run, or stay. The server
      // keeps a session that its client lost before it could write it down, for its lease.
      await succeed(world.start(words));
      await checkBackToStart(world, { destination, mayForget: true });
    },
    end: async () => {
      await world.server.kill();
      await proxy.close();
      await disk.remove();
    },
  };
}
