/** What every simulated world stands on: chance, virtual time, a network, processes, and what was met and broken in it. */
import { Network } from './network/network.ts';
import { createChance, type Chance } from './random.ts';
import { Scheduler } from './scheduler.ts';
import type { Machine, WorldParts } from './system/machine.ts';
import type { SimulatedProcess } from './system/process.ts';
import { Trace } from './trace.ts';

/** Something that must not happen has happened. */
export class Violation extends Error {
  constructor(promise: string, what: string) {
    super(`${promise}: ${what}`);
    this.name = 'Violation';
  }
}

/** The part of a world that does not know what it is about. */
export class Ground {
  readonly chance: Chance;
  readonly scheduler = new Scheduler();
  readonly trace: Trace;
  /** How often what was met. */
  readonly met = new Map<string, number>();
  /** Told when a process has ended. */
  readonly exits = new Map<SimulatedProcess, (how: 'killed' | 'power') => void>();
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

  /** Kills a process at its next event that matters; told before each call of it to the system. */
  protected onCall(_process: SimulatedProcess): void {}

  /** What the machines of this world share. */
  protected openParts(): WorldParts {
    const network = new Network(this.scheduler, this.chance, (what) => this.meet(what));
    return {
      scheduler: this.scheduler,
      chance: this.chance,
      trace: this.trace,
      network,
      onCall: (process) => this.onCall(process),
      onExit: (process, how) => {
        this.exits.get(process)?.(how);
        this.exits.delete(process);
      },
      onPowerCut: (machine) => this.onPowerCut(machine),
      onRefused: (...what) => this.onRefused(...what),
      met: (what) => this.meet(what),
    };
  }
}
