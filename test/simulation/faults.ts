/** Everything that goes wrong in a world on purpose. */
import type { ClientActor } from './actors/client-actor.ts';
import type { ServerActor } from './actors/server-actor.ts';
import { contentOf, PLACE } from './scenario.ts';
import type { Machine } from './system/machine.ts';
import type { World } from './world.ts';

/** Who is on the stage. */
export interface Cast {
  readonly world: World;
  readonly server: ServerActor;
  readonly clients: readonly [ClientActor, ClientActor];
}

/** One thing that goes wrong once so many steps were made. */
export interface Fault {
  readonly atStep: number;
  readonly name: string;
  readonly happen: (cast: Cast) => void;
}

const MINUTE_MS = 60_000;
/** How far a clock jumps at most. */
export const MAX_JUMP_MS = 30 * MINUTE_MS;

/** Every fault by its name, with how often it is drawn. */
const FAULTS: Readonly<Record<string, readonly [weight: number, happen: (cast: Cast) => void]>> = {
  'kill client': [
    3,
    ({ clients, world }) =>
      kill(
        clients.find(({ process }) => process !== undefined),
        world,
      ),
  ],
  'kill server': [3, ({ server, world }) => kill(server, world)],
  'power cut of client': [2, ({ world, clients }) => cutPower(world, clients[0].machine)],
  'power cut of server': [3, ({ world }) => cutPower(world, world.server)],
  'power cut of all': [
    1,
    ({ world, clients }) => [world.server, clients[0].machine].forEach((m) => cutPower(world, m)),
  ],
  'client dies in a call': [2, ({ world, clients }) => ambush(world, clients[0].machine, 'killed')],
  'server dies in a call': [2, ({ world }) => ambush(world, world.server, 'killed')],
  'power of client fails in a call': [1, ({ world, clients }) => ambush(world, clients[0].machine, 'power')],
  'power of server fails in a call': [2, ({ world }) => ambush(world, world.server, 'power')],
  'drain server': [1, ({ server }) => server.drain()],
  'interrupt client': [1, ({ clients }) => clients[0].interrupt()],
  'cut connections': [3, ({ world }) => world.network.cutAll('reset')],
  'silent connections': [1, ({ world }) => world.network.cutAll('silence')],
  'outage': [2, ({ world }) => outage(world)],
  'bad network': [3, ({ world }) => worsen(world)],
  'full disk': [
    3,
    ({ world, clients }) => fill(world, world.chance.is(0.7) ? world.server : clients[0].machine),
  ],
  'read-only disk': [
    2,
    ({ world, clients }) => lock(world, world.chance.is(0.7) ? world.server : clients[0].machine),
  ],
  'failing sync': [
    2,
    ({ world, clients }) => failSyncs(world.chance.is(0.7) ? world.server : clients[0].machine),
  ],
  'clock jump': [
    1,
    ({ world, clients }) => jump(world, world.chance.is(0.7) ? world.server : clients[0].machine),
  ],
  'second client': [2, ({ clients }) => (clients[1].runs === 0 ? clients[1].start() : undefined)],
  'source change': [1, ({ world }) => changeSource(world)],
  'long absence': [1, ({ clients, world }) => leave(clients, world)],
};

/** A network as it should be. */
const NO_TROUBLE = { cutProbability: 0, silenceProbability: 0, flipProbability: 0, isDown: false };

const WEIGHTED = Object.entries(FAULTS).flatMap(([name, [weight]]) =>
  Array.from({ length: weight }, () => name),
);
/** About as many steps as a transfer takes that nothing happens to. */
const USUAL_STEPS = 330;

/** Draws what goes wrong in a world, in the order in which it does. */
export function drawFaults({ chance }: World): Fault[] {
  const count = chance.is(0.15) ? 0 : 1 + Math.floor(chance.next() * chance.next() * 6);
  const faults = Array.from({ length: count }, (_, index): Fault => {
    const name = chance.pick(WEIGHTED);
    return { name, happen: FAULTS[name]![1], atStep: 10 + chance.int(0, USUAL_STEPS * (1 + index / 3)) };
  });
  return faults.toSorted((a, b) => a.atStep - b.atStep);
}

/** What is not a moment but a state comes to its end: from here on everything works. */
export function endTroubles({ world, clients }: Cast): void {
  world.ambush = undefined;
  Object.assign(world.network.trouble, NO_TROUBLE);
  for (const machine of [world.server, ...clients.map((client) => client.machine)]) {
    Object.assign(machine.trouble, { isFull: false, isReadOnly: false, failingSyncs: 0 });
  }
}

function kill(actor: ClientActor | ServerActor | undefined, world: World): void {
  if (actor?.process === undefined) return;
  world.meet('crash');
  world.trace.say(actor.process.name, () => 'KILLED');
  actor.process.end('killed');
}

function cutPower(world: World, machine: Machine): void {
  if (!machine.isUp) return;
  world.meet('power cut');
  machine.cutPower();
}

function ambush(world: World, machine: Machine, how: 'killed' | 'power'): void {
  world.ambush = { machine, how, callsLeft: world.chance.int(1, 30) };
}

function outage(world: World): void {
  world.meet('outage');
  const { trouble } = world.network;
  trouble.isDown = true;
  world.network.cutAll(world.chance.is(0.5) ? 'reset' : 'silence');
  world.scheduler.after(world.chance.pick([2000, 20_000, 150_000, 400_000]), () => (trouble.isDown = false));
}

function worsen(world: World): void {
  const { chance, network, scheduler } = world;
  network.trouble.cutProbability = chance.pick([0.3, 0.6, 0.9]);
  network.trouble.cutWithinBytes = chance.pick([1000, 30_000, 100_000]);
  network.trouble.flipProbability = chance.pick([0, 0.3]);
  network.trouble.silenceProbability = chance.pick([0, 0, 0.1]);
  scheduler.after(chance.next() * MINUTE_MS, () => {
    Object.assign(network.trouble, { ...NO_TROUBLE, isDown: network.trouble.isDown });
  });
}

function fill(world: World, { trouble }: Machine): void {
  trouble.isFull = true;
  world.scheduler.after(world.chance.next() * MINUTE_MS, () => (trouble.isFull = false));
}

function lock(world: World, { trouble }: Machine): void {
  trouble.isReadOnly = true;
  world.scheduler.after(world.chance.next() * MINUTE_MS, () => (trouble.isReadOnly = false));
}

function failSyncs({ trouble }: Machine): void {
  trouble.failingSyncs = 1;
}

function jump(world: World, machine: Machine): void {
  world.meet('clock jump');
  machine.clockOffsetMs += Math.round(world.chance.pick([-1, 1]) * world.chance.next() * MAX_JUMP_MS);
}

/** A file is written anew in its place, by whoever owns it, while it may be being sent. */
function changeSource(world: World): void {
  const { chance, scenario } = world;
  world.meet('changed source');
  const file = chance.pick(scenario.files);
  const bytes = contentOf(chance, chance.int(0, 150_000));
  file.versions.push(bytes);
  const machines = scenario.direction === 'push' ? world.clients : [world.server];
  const root = scenario.direction === 'push' ? PLACE.source : `${PLACE.serverRoot}/${PLACE.name}`;
  for (const { disk } of machines) {
    const node = disk.find(`${root}/${file.path}`);
    if (node?.type !== 'file') continue;
    node.seed(bytes);
    disk.touch(node.attributes, 'content');
    node.sync('all');
    node.attributes.mtimeNs = BigInt(1_700_000_000 + file.versions.length) * 1_000_000_000n;
  }
}

/** The client is ended, and nobody comes back before the lease is over. */
function leave(clients: Cast['clients'], world: World): void {
  world.meet('long absence');
  for (const client of clients) {
    client.absence = true;
    kill(client, world);
  }
}
