/** Everything that goes wrong in a world of nodes on purpose. */
import type { ClientActor } from '../actors/client-actor.ts';
import type { SimulatedProcess } from '../system/process.ts';
import type { AdminActor } from './admin-actor.ts';
import { NO_BUCKET_TROUBLE } from './bucket.ts';
import type { NodeActor } from './node-actor.ts';
import type { NodesWorld } from './nodes-world.ts';
import { ROOT_KEY, STORE } from './place.ts';

/** Who is on the stage. */
export interface NodesCast {
  readonly world: NodesWorld;
  readonly nodes: readonly NodeActor[];
  readonly clients: readonly ClientActor[];
  readonly admin: AdminActor;
}

/** One thing that goes wrong once so many steps were made. */
export interface NodesFault {
  readonly atStep: number;
  readonly name: string;
  readonly happen: (cast: NodesCast) => void;
}

const MINUTE_MS = 60_000;
/** Stopped for a moment, or for longer than the lease of a publisher, which is fifteen seconds. */
const LONGEST_STOP_MS = 40_000;
const STOPS_MS = [300, 5000, 20_000, LONGEST_STOP_MS];

/** Every fault by its name, with how often it is drawn. */
const FAULTS: Readonly<Record<string, readonly [weight: number, happen: (cast: NodesCast) => void]>> = {
  'kill node': [2, ({ world, nodes }) => kill(world, world.chance.pick(nodes).process)],
  'stop node': [2, ({ world, nodes }) => stop(world, world.chance.pick(nodes).process)],
  'drain node': [1, ({ world, nodes }) => world.chance.pick(nodes).drain()],
  'node dies at a request': [3, (cast) => ambush(cast, '', kill)],
  'node is stopped at a request': [2, (cast) => ambush(cast, '', stop)],
  'node dies at the root': [3, (cast) => ambush(cast, ROOT_KEY, kill)],
  'node is stopped at the root': [4, (cast) => ambush(cast, ROOT_KEY, stop)],
  'publisher is stopped, and its session is aborted': [3, abortStopped],
  'node is stopped at a record': [2, (cast) => ambush(cast, '/s/', stop)],
  'clock jump': [1, ({ world }) => jump(world)],
  'bad store': [4, ({ world }) => worsenStore(world)],
  'store away': [1, ({ world }) => storeAway(world)],
  'cut connections': [1, ({ world }) => world.network.cutAll('reset')],
  'bad network': [1, ({ world }) => worsenNetwork(world)],
  'abort': [3, ({ admin }) => admin.abortOne()],
  'kill client': [1, ({ world, clients }) => killClient(world, clients)],
  'interrupt client': [1, ({ world, clients }) => world.chance.pick(clients).interrupt()],
  'long absence': [1, ({ world, clients }) => leave(world, clients)],
};

const WEIGHTED = Object.entries(FAULTS).flatMap(([name, [weight]]) =>
  Array.from({ length: weight }, () => name),
);
/** About as many steps as the pushes take that nothing happens to. */
const USUAL_STEPS = 500;

/** Draws what goes wrong in a world, in the order in which it does. */
export function drawNodesFaults({ chance }: NodesWorld): NodesFault[] {
  const count = chance.is(0.1) ? 0 : 1 + Math.floor(chance.next() * 7);
  const faults = Array.from({ length: count }, (): NodesFault => {
    const name = chance.pick(WEIGHTED);
    return { name, happen: FAULTS[name]![1], atStep: 30 + chance.int(0, USUAL_STEPS) };
  });
  return faults.toSorted((a, b) => a.atStep - b.atStep);
}

/** From here on everything works. */
export function endNodesTroubles({ world, nodes }: NodesCast): void {
  world.ambush = undefined;
  Object.assign(world.bucket.trouble, NO_BUCKET_TROUBLE);
  Object.assign(world.network.trouble, { cutProbability: 0, silenceProbability: 0, isDown: false });
  for (const { process } of nodes) if (process?.isStopped === true) process.goOn();
}

function kill(world: NodesWorld, process: SimulatedProcess | undefined): void {
  if (process === undefined) return;
  world.meet('killed node');
  world.trace.say(process.name, () => 'KILLED');
  process.end('killed');
}

function stop(
  world: NodesWorld,
  process: SimulatedProcess | undefined,
  forMs = world.chance.pick(STOPS_MS),
): void {
  if (process === undefined || process.isStopped) return;
  world.meet('stopped node');
  world.trace.say(process.name, () => 'STOPPED');
  process.stop();
  world.scheduler.after(forMs, () => {
    world.trace.say(process.name, () => 'GOES ON');
    process.goOn();
  });
}

/** Strikes a node at one of its next requests to the store, before the store has it or after it was carried out. */
function ambush(
  { world, nodes }: NodesCast,
  of: string,
  strike: (world: NodesWorld, process: SimulatedProcess) => void,
): void {
  const { chance } = world;
  world.ambush = {
    machine: chance.pick(nodes).machine,
    moment: chance.is(0.5) ? 'before' : 'after',
    isOf: ({ key }) => key.includes(of),
    callsLeft: chance.int(1, of === '' ? 40 : 5),
    strike: (process) => strike(world, process),
  };
}

/** Whether a session is being committed, by the records in the bucket. */
function isCommitting({ bucket }: NodesWorld): boolean {
  const records = [...bucket.objects].filter(([key]) => key.startsWith(`${STORE.prefix}s/`));
  return records.some(([, { body }]) => body.toString().includes('"state":"committing"'));
}

/** Its client is gone, and the abort comes when its lease is over: nobody may have taken over yet. */
function abortStopped({ world, clients, admin }: NodesCast): void {
  const { chance } = world;
  world.ambush = {
    machine: undefined,
    moment: 'before',
    isOf: ({ method, key }) => method === 'PUT' && key === ROOT_KEY && isCommitting(world),
    callsLeft: 1,
    strike: (process) => {
      stop(world, process, LONGEST_STOP_MS);
      for (const client of clients) client.process?.end('killed');
      world.scheduler.after(15_000 + chance.next() * 5000, () => admin.abortOne());
    },
  };
}

function jump({ chance, nodes }: NodesWorld): void {
  chance.pick(nodes).clockOffsetMs += Math.round(chance.pick([-1, 1]) * chance.next() * 60 * MINUTE_MS);
}

function worsenStore({ chance, bucket, scheduler }: NodesWorld): void {
  const { trouble } = bucket;
  trouble.lost = chance.pick([0, 0.05, 0.2]);
  trouble.unanswered = chance.pick([0.05, 0.2]);
  trouble.late = chance.pick([0, 0.1, 0.4]);
  trouble.slowDown = chance.pick([0, 0.1, 0.4]);
  trouble.cutBody = chance.pick([0, 0.2]);
  scheduler.after(chance.next() * chance.next() * MINUTE_MS, () => {
    Object.assign(trouble, { ...NO_BUCKET_TROUBLE, isDown: trouble.isDown });
  });
}

function storeAway(world: NodesWorld): void {
  world.meet('store away');
  const { trouble } = world.bucket;
  trouble.isDown = true;
  world.scheduler.after(world.chance.pick([2000, 20_000, 60_000]), () => (trouble.isDown = false));
}

function worsenNetwork({ chance, network, scheduler }: NodesWorld): void {
  network.trouble.cutProbability = chance.pick([0.3, 0.6]);
  network.trouble.cutWithinBytes = chance.pick([1000, 30_000]);
  scheduler.after(chance.next() * MINUTE_MS, () => (network.trouble.cutProbability = 0));
}

function killClient(world: NodesWorld, clients: readonly ClientActor[]): void {
  const client = world.chance.pick(clients);
  if (client.process === undefined) return;
  world.meet('killed client');
  client.process.end('killed');
}

/** A client is ended, and does not come back before its lease is over. */
function leave(world: NodesWorld, clients: readonly ClientActor[]): void {
  const client = world.chance.pick(clients);
  client.absence = true;
  client.process?.end('killed');
}
