/** In place of Node's global functions and objects that tell the time, the chance, or the process. */
import type { Scheduled } from '../scheduler.ts';
import { realm } from './simulation.ts';

/** What `setTimeout` returns. */
class SimulatedTimer {
  readonly #delayMs: number;
  readonly #run: () => void;
  readonly #repeats: boolean;
  #event: Scheduled | undefined;

  constructor(delayMs: number, run: () => void, repeats: boolean) {
    this.#delayMs = Math.max(1, delayMs);
    this.#run = run;
    this.#repeats = repeats;
    this.refresh();
  }

  refresh(): this {
    this.stop();
    this.#event = realm.process.after(this.#delayMs, () => {
      this.#event = undefined;
      if (this.#repeats) this.refresh();
      this.#run();
    });
    return this;
  }

  stop(): void {
    if (this.#event !== undefined) this.#event.run = undefined;
    this.#event = undefined;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

export const setTimeout = (run: (...given: unknown[]) => void, delayMs = 0, ...given: unknown[]) =>
  new SimulatedTimer(delayMs, () => run(...given), false);
export const setInterval = (run: (...given: unknown[]) => void, delayMs = 0, ...given: unknown[]) =>
  new SimulatedTimer(delayMs, () => run(...given), true);
export const clearTimeout = (timer: SimulatedTimer | undefined): void => timer?.stop();
export const clearInterval = (timer: SimulatedTimer | undefined): void => timer?.stop();

class SimulatedDate extends globalThis.Date {
  constructor(...given: [] | [number | string]) {
    super(given[0] ?? realm.process.machine.wallMs());
  }

  static override now(): number {
    return realm.process.machine.wallMs();
  }
}

export const performance = { now: (): number => realm.process.uptimeMs() };

export const process = {
  platform: 'linux',
  arch: 'x64',
  env: { XDG_CACHE_HOME: '/home/cache' },
  get pid(): number {
    return realm.process.pid;
  },
  geteuid: (): number => 0,
  umask: (): number => 0o022,
  kill: (pid: number): true => realm.process.signal(pid),
};

const random = (): number => realm.process.machine.world.chance.next();

function timeoutSignal(delayMs: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException('simulated: too late', 'TimeoutError')), delayMs);
  return controller.signal;
}

export { SimulatedDate as Date, random as 'Math.random', timeoutSignal as 'AbortSignal.timeout' };
