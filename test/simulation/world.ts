/** One simulated world: machines, a network, a server, clients. */
import type { Disk } from './disk/disk.ts';
import { Network } from './network/network.ts';
import { createChance, type Chance } from './random.ts';
import type { LoadedRealm } from './realm.ts';
import { drawScenario, PLACE, seedTree, type Scenario } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { Machine, type WorldParts } from './system/machine.ts';
import type { SimulatedProcess } from './system/process.ts';
import { Trace } from './trace.ts';

/** The copies of the code under test that a world runs. */
export interface Realms {
  readonly server: LoadedRealm;
  readonly clients: readonly [LoadedRealm, LoadedRealm];
}

/** Something that must not happen has happened. */
export class Violation extends Error {
  constructor(promise: string, what: string) {
    super(`${promise}: ${what}`);
    this.name = 'Violation';
  }
}

/** A process that is to die at one of its calls. */
interface Ambush {
  readonly machine: Machine;
  callsLeft: number;
  readonly how: 'killed' | 'power';
}

/** Everything that one seed makes. */
export class World {
  readonly chance: Chance;
  readonly scheduler = new Scheduler();
  readonly trace: Trace;
  readonly scenario: Scenario;
  readonly network: Network;
  readonly server: Machine;
  readonly clients: readonly [Machine, Machine];
  /** How often what was met. */
  readonly met = new Map<string, number>();
  /** Told when a process has ended. */
  readonly exits = new Map<SimulatedProcess, (how: 'killed' | 'power') => void>();
  ambush: Ambush | undefined;
  /** The step in which a process died in the middle of a call. */
  diedInCallAtStep: number | undefined;
  /** Told when a machine has lost its power. */
  onPowerCut: (machine: Machine) => void = () => undefined;
  /** Told when the disk of a process takes nothing. */
  onRefused: WorldParts['onRefused'] = () => undefined;
  /** The first violation. */
  violation: Violation | undefined;
  readonly #processes: SimulatedProcess[] = [];

  constructor(seed: number, print?: (line: string) => void) {
    this.chance = createChance(seed);
    this.trace = new Trace(() => this.scheduler.nowMs, print);
    this.scenario = drawScenario(this.chance);
    this.network = new Network(this.scheduler, this.chance, (what) => this.meet(what));
    const parts: WorldParts = {
      scheduler: this.scheduler,
      chance: this.chance,
      trace: this.trace,
      network: this.network,
      onCall: (process) => this.#onCall(process),
      onExit: (process, how) => {
        this.exits.get(process)?.(how);
        this.exits.delete(process);
      },
      onPowerCut: (machine) => this.onPowerCut(machine),
      onRefused: (...what) => this.onRefused(...what),
      met: (what) => this.meet(what),
    };
    this.server = new Machine(parts, 'server');
    this.clients = [new Machine(parts, 'client-a'), new Machine(parts, 'client-b')];
    this.#furnish();
  }

  meet(what: string): void {
    this.met.set(what, (this.met.get(what) ?? 0) + 1);
  }

  /** Notes that a promise was broken; the first one counts. */
  break(promise: string, what: string): void {
    if (this.violation !== undefined) return;
    this.violation = new Violation(promise, what);
    this.trace.say('PROMISE', () => `BROKEN  ${promise}: ${what}`);
  }

  spawn(machine: Machine, name: string): SimulatedProcess {
    const process = machine.spawn(name);
    this.#processes.push(process);
    return process;
  }

  /** The world is over: whatever the code under test still remembers of it must not keep it in memory. */
  end(): void {
    for (const process of this.#processes) process.detach();
  }

  #onCall(process: SimulatedProcess): void {
    const { ambush } = this;
    if (ambush?.machine !== process.machine || --ambush.callsLeft > 0) return;
    this.ambush = undefined;
    this.diedInCallAtStep = this.scheduler.steps;
    if (ambush.how === 'power') {
      this.meet('power cut');
      process.machine.cutPower();
    } else {
      this.meet('crash');
      this.trace.say(process.name, () => 'KILLED in a call');
      process.end('killed');
    }
  }

  /** Puts on the disks what is there before anything begins. */
  #furnish(): void {
    const { direction, files, old } = this.scenario;
    const contents = files.map(({ path, versions }) => [path, versions[0]!] as const);
    for (const machine of this.clients) {
      makeDirectories(machine.disk, ['home', 'home/state', 'home/landing']);
      if (direction === 'push') seedTree(machine.disk, PLACE.source, contents);
      else seedTree(machine.disk, PLACE.destination, old);
    }
    const { disk } = this.server;
    makeDirectories(disk, ['srv', 'srv/data', 'srv/state', 'srv/state/sessions']);
    seedTree(disk, `${PLACE.serverRoot}/${PLACE.name}`, direction === 'push' ? old : contents);
    for (const machine of [this.server, ...this.clients]) machine.disk.syncAll();
  }
}

function makeDirectories(disk: Disk, paths: readonly string[]): void {
  for (const path of paths) {
    const names = path.split('/');
    const name = names.pop()!;
    const parent = names.length === 0 ? disk.root : disk.find(`/${names.join('/')}`);
    if (parent?.type === 'directory') disk.makeDirectory(parent, name, 0o755);
  }
}
