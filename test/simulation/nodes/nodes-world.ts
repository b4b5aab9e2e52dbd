/** One simulated world of nodes: servers that share a bucket, and clients that push to one target through a balancer. */
import { Ground } from '../ground.ts';
import type { Network } from '../network/network.ts';
import { contentOf, drawScenario, PLACE, type Scenario, seedTree } from '../scenario.ts';
import { Machine } from '../system/machine.ts';
import type { Asked } from '../../support/s3/s3-semantics.ts';
import type { SimulatedProcess } from '../system/process.ts';
import { makeDirectories } from '../world.ts';
import { type Moment, SimulatedBucket } from './bucket.ts';

/** Nodes, and clients that push, of every world. */
export const NODES = 3;
export const PUSHERS = 2;

const MTIME_S = 1_600_000_000;
/** How far the clock of a node is off at most. */
const MAX_SKEW_MS = 3_600_000;

/** A node that is to die or to be stopped at one of its requests to the store. */
interface Ambush {
  /** Any node, where undefined. */
  readonly machine: Machine | undefined;
  readonly moment: Moment;
  /** Whether a request counts. */
  readonly isOf: (asked: Asked) => boolean;
  callsLeft: number;
  readonly strike: (process: SimulatedProcess) => void;
}

/** How long the nodes of a world keep what. */
export interface NodeTimes {
  readonly leaseMs: number;
  readonly collectEveryMs: number;
  readonly keepUnusedMs: number;
}

/** Everything that one seed makes. */
export class NodesWorld extends Ground {
  readonly network: Network;
  readonly bucket: SimulatedBucket;
  readonly nodes: readonly Machine[];
  readonly pushers: readonly Machine[];
  readonly admin: Machine;
  /** What each client pushes: the same paths with other bytes. */
  readonly scenarios: readonly Scenario[];
  readonly times: NodeTimes;
  ambush: Ambush | undefined;

  constructor(seed: number, print?: (line: string) => void) {
    super(seed, print);
    const { chance } = this;
    this.scenarios = drawPushes(this);
    this.times = {
      leaseMs: chance.pick([120_000, 120_000, 40_000]),
      collectEveryMs: chance.pick([5000, 20_000, 30_000]),
      keepUnusedMs: chance.pick([0, 1000, 60_000]),
    };
    const parts = this.openParts();
    this.network = parts.network;
    this.network.trouble.closeProbability = chance.pick([0.2, 0.5, 1]);
    this.bucket = new SimulatedBucket(this, new Machine(parts, 'store'));
    this.bucket.onRequest = (...what) => this.#onRequest(...what);
    const machines = (count: number, name: string): Machine[] =>
      Array.from({ length: count }, (_, index) => new Machine(parts, `${name}-${index}`));
    this.nodes = machines(NODES, 'node');
    this.pushers = machines(PUSHERS, 'client');
    this.admin = new Machine(parts, 'admin');
    if (chance.is(0.3)) {
      this.meet('skewed clock');
      chance.pick(this.nodes).clockOffsetMs = Math.round(chance.pick([-1, 1]) * MAX_SKEW_MS);
    }
    for (const [index, { disk }] of this.pushers.entries()) {
      makeDirectories(disk, ['home', 'home/state']);
      const contents = this.scenarios[index]!.files.map(
        ({ path, versions }) => [path, versions[0]!] as const,
      );
      seedTree(disk, PLACE.source, contents, BigInt(MTIME_S + index) * 1_000_000_000n);
      disk.syncAll();
    }
  }

  #onRequest(process: SimulatedProcess, asked: Asked, moment: Moment): void {
    const { ambush } = this;
    if (ambush === undefined || ambush.moment !== moment) return;
    if (ambush.machine !== undefined && ambush.machine !== process.machine) return;
    if (!ambush.isOf(asked) || --ambush.callsLeft > 0) return;
    this.ambush = undefined;
    this.diedInCallAtStep = this.scheduler.steps;
    ambush.strike(process);
  }
}

function drawPushes({ chance }: Ground): Scenario[] {
  const first: Scenario = {
    ...drawScenario(chance),
    direction: 'push',
    digest: 'xxh64',
    compress: 'auto',
    retryForMs: 300_000,
  };
  return Array.from({ length: PUSHERS }, () => ({
    ...first,
    files: first.files.map(({ path, versions: [bytes] }) => ({
      path,
      versions: [contentOf(chance, Math.max(1, bytes!.length))],
    })),
  }));
}
