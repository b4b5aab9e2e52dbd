/** One simulated world: machines, a network, a server, clients. */
import type { Disk } from './disk/disk.ts';
import { Ground } from './ground.ts';
import type { Network } from './network/network.ts';
import type { LoadedRealm } from './realm.ts';
import { drawScenario, PLACE, seedTree, type Scenario } from './scenario.ts';
import { Machine } from './system/machine.ts';
import type { SimulatedProcess } from './system/process.ts';

/** The copies of the code under test that a world runs. */
export interface Realms {
  readonly server: LoadedRealm;
  readonly clients: readonly [LoadedRealm, LoadedRealm];
}

/** A process that is to die at one of its calls. */
interface Ambush {
  readonly machine: Machine;
  callsLeft: number;
  readonly how: 'killed' | 'power';
}

/** Everything that one seed makes. */
export class World extends Ground {
  readonly scenario: Scenario;
  readonly network: Network;
  readonly server: Machine;
  readonly clients: readonly [Machine, Machine];
  ambush: Ambush | undefined;

  constructor(seed: number, print?: (line: string) => void) {
    super(seed, print);
    this.scenario = drawScenario(this.chance);
    const parts = this.openParts();
    this.network = parts.network;
    this.server = new Machine(parts, 'server');
    this.clients = [new Machine(parts, 'client-a'), new Machine(parts, 'client-b')];
    this.#furnish();
  }

  protected override onCall(process: SimulatedProcess): void {
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

/** Makes directories on a disk, each parent before its children. */
export function makeDirectories(disk: Disk, paths: readonly string[]): void {
  for (const path of paths) {
    const names = path.split('/');
    const name = names.pop()!;
    const parent = names.length === 0 ? disk.root : disk.find(`/${names.join('/')}`);
    if (parent?.type === 'directory') disk.makeDirectory(parent, name, 0o755);
  }
}
