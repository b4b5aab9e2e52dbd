/** A process of a simulated machine: its timers, its calls to the system, its end. */
import { systemError } from '../disk/system-error.ts';
import type { Network } from '../network/network.ts';
import type { Scheduled } from '../scheduler.ts';
import { SystemFiles } from './system-files.ts';
import type { Machine } from './machine.ts';

/** Thrown at code that goes on running for a moment in a process that is dead: nothing that it does has an effect. */
export class ProcessIsDead extends Error {
  constructor() {
    super('simulated: this process is dead');
  }
}

/** How long calls to the system take, in milliseconds. */
const CALL = { leastMs: 0.02, spreadMs: 0.4, slow: 0.004, slowMs: 800 };

/** One life of a program. */
export class SimulatedProcess {
  readonly pid: number;
  readonly name: string;
  readonly startTime: string;
  readonly startedAtMs: number;
  readonly files: SystemFiles;
  isAlive = true;
  /** Whether it is stopped in the middle of whatever it does, as by SIGSTOP. */
  isStopped = false;
  /** What waits for a stopped process to go on, in order; undefined while nothing has to. */
  #held: (() => void)[] | undefined;
  /** What else ends with it: sockets. */
  readonly #atEnd = new Set<(how: 'killed' | 'power') => void>();
  #machine: Machine | undefined;

  constructor(machine: Machine, pid: number, name: string) {
    this.#machine = machine;
    this.pid = pid;
    this.name = name;
    this.startedAtMs = machine.world.scheduler.nowMs;
    this.startTime = String(1000 + Math.round(this.startedAtMs * 10));
    this.files = new SystemFiles(this);
  }

  /** Whatever is left of a process when its world is over holds nothing of that world. */
  get machine(): Machine {
    if (this.#machine === undefined) throw new ProcessIsDead();
    return this.#machine;
  }

  /** Lets `run` happen after `delayMs`, unless the process is dead by then. */
  after(delayMs: number, run: () => void): Scheduled {
    const { scheduler, trace } = this.machine.world;
    const event = scheduler.after(delayMs, () =>
      this.whenRunning(() => {
        // A timer may have been cancelled while it waited.
        if (event.run === undefined) return;
        trace.note(this.name, this.pid);
        run();
      }),
    );
    return event;
  }

  /** Does `run` now, once a stopped process goes on, or never, if it is dead by then. */
  whenRunning(run: () => void): void {
    if (!this.isAlive) return;
    if (this.#held === undefined) run();
    else this.#held.push(run);
  }

  /** Stops the process in the middle of whatever it does. */
  stop(): void {
    this.isStopped = true;
    this.#held ??= [];
  }

  /** Lets a stopped process go on: what it has missed comes first, in order. */
  goOn(): void {
    this.isStopped = false;
    this.#machine?.world.scheduler.after(0, () => this.#catchUp());
  }

  #catchUp(): void {
    if (!this.isAlive || this.isStopped) return;
    const next = this.#held?.shift();
    if (next === undefined) {
      this.#held = undefined;
      return;
    }
    next();
    this.#machine?.world.scheduler.after(0, () => this.#catchUp());
  }

  /** Lets `run` happen as soon as the code that runs now has come to its end. */
  soon(run: () => void): void {
    queueMicrotask(() => {
      if (this.isAlive) run();
    });
  }

  /** A call to the system that takes a while: it has its effect and its answer at the same moment, or neither. */
  call<T>(work: () => T, slowness = 1): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.isAlive) return;
      this.after(this.callMs() * slowness, () => {
        try {
          resolve(work());
        } catch (error) {
          // Who died in the call will never hear of it.
          if (this.isAlive) reject(error);
        }
      });
    });
  }

  /** A call to the system that takes no time: nothing that others could see depends on when it happens. */
  quickCall<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.isAlive) return;
      try {
        resolve(work());
      } catch (error) {
        if (this.isAlive) reject(error);
      }
    });
  }

  callMs(): number {
    const { chance } = this.machine.world;
    if (chance.is(CALL.slow)) return chance.next() * CALL.slowMs;
    return CALL.leastMs + chance.next() * CALL.spreadMs;
  }

  /** The network that the process's machine is on. */
  get network(): Network {
    return this.machine.world.network;
  }

  /** Milliseconds on a clock that never goes back. */
  uptimeMs(): number {
    return this.machine.world.scheduler.nowMs - this.startedAtMs;
  }

  /** What the kernel tells at a path below /proc. */
  proc(path: string): string | undefined {
    const { bootId, processes } = this.machine;
    if (path === '/proc/sys/kernel/random/boot_id') return `${bootId}\n`;
    const of = /^\/proc\/(self|\d+)\/stat$/.exec(path)?.[1];
    const process = of === 'self' ? this : processes.get(Number(of));
    if (of === undefined || process === undefined) return undefined;
    return `${process.pid} (cairn) S ${'0 '.repeat(18)}${process.startTime} 0`;
  }

  /** Signal 0: whether another process of this machine lives. @throws ESRCH */
  signal(pid: number): true {
    if (this.machine.processes.has(pid)) return true;
    throw systemError('ESRCH', 'kill');
  }

  /** To be called before a call to the system has its effect. @throws ProcessIsDead */
  enterCall(): void {
    if (this.isAlive) this.machine.world.onCall(this);
    if (!this.isAlive) throw new ProcessIsDead();
  }

  /** Has `action` called when the process ends. Returns how to take that back. */
  atEnd(action: (how: 'killed' | 'power') => void): () => void {
    this.#atEnd.add(action);
    return () => this.#atEnd.delete(action);
  }

  /** Ends the process at once: nothing that it has begun comes to an end. */
  end(how: 'killed' | 'power'): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.machine.processes.delete(this.pid);
    this.files.closeAll();
    for (const action of this.#atEnd) action(how);
    this.#atEnd.clear();
    this.machine.world.onExit(this, how);
  }

  /** Lets go of the world, which is over; what the code under test still holds of this process must not keep it. */
  detach(): void {
    this.isAlive = false;
    this.#machine = undefined;
    this.#atEnd.clear();
    this.files.closeAll();
  }
}
