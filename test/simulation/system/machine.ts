/** A simulated computer: a disk, a clock, and processes that die with it. */
import { Disk } from '../disk/disk.ts';
import type { Network } from '../network/network.ts';
import type { Chance } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Trace } from '../trace.ts';
import { SimulatedProcess } from './process.ts';

/** What is wrong with a disk at the moment. */
export interface DiskTrouble {
  /** Nothing more fits on it. */
  isFull: boolean;
  /** Nothing on it can be changed, as after a failure that made its file system give up. */
  isReadOnly: boolean;
  /** So many syncs to come fail, once each. */
  failingSyncs: number;
}

/** What every part of a simulated world shares. */
export interface WorldParts {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly network: Network;
  /** Called before each call to the file system: this is where a process or its machine may die. */
  readonly onCall: (process: SimulatedProcess) => void;
  /** Called when a process has ended, whatever ended it. */
  readonly onExit: (process: SimulatedProcess, how: 'killed' | 'power') => void;
  /** Called when a machine has lost its power, and its disk is what is left. */
  readonly onPowerCut: (machine: Machine) => void;
  /**
   * Called when a disk takes nothing. `bytes` is what a file would hold up to the end of those that there is no room for;
   * undefined where the disk is read-only, and the call fails before anything is written.
   */
  readonly onRefused: (process: SimulatedProcess, path: string, bytes: Buffer | undefined) => void;
  /** Counts what a run has met. */
  readonly met: (what: string) => void;
}

const START_MS = Date.UTC(2026, 0, 1);

/** One machine. */
export class Machine {
  readonly name: string;
  readonly world: WorldParts;
  readonly disk: Disk;
  readonly trouble: DiskTrouble = { isFull: false, isReadOnly: false, failingSyncs: 0 };
  readonly processes = new Map<number, SimulatedProcess>();
  /** How far the clock on the wall is off. */
  clockOffsetMs = 0;
  bootId = 'boot-0';
  isUp = true;
  #boots = 0;
  #pids = 100;

  constructor(world: WorldParts, name: string) {
    this.world = world;
    this.name = name;
    this.disk = new Disk(world.chance, () => BigInt(Math.round(this.wallMs())) * 1_000_000n);
  }

  /** Milliseconds since 1970, as the machine believes. */
  wallMs(): number {
    return START_MS + Math.floor(this.world.scheduler.nowMs) + this.clockOffsetMs;
  }

  spawn(name: string): SimulatedProcess {
    this.#pids += 1;
    const process = new SimulatedProcess(this, this.#pids, name);
    this.processes.set(process.pid, process);
    return process;
  }

  /** The power goes: all processes are gone, and of the disk only what was durable, and what survives by luck. */
  cutPower(): void {
    this.world.trace.say(this.name, () => 'POWER CUT');
    this.isUp = false;
    for (const process of this.processes.values()) process.end('power');
    this.disk.cutPower();
    this.world.onPowerCut(this);
  }

  boot(): void {
    this.#boots += 1;
    this.bootId = `boot-${this.#boots}`;
    this.isUp = true;
    this.trouble.failingSyncs = 0;
  }
}
