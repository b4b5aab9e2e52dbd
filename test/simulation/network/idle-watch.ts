/** Ends what nothing moves on: one event for a connection, however often something moves. */
import type { SimulatedProcess } from '../system/process.ts';

/** Watches one connection. */
export class IdleWatch {
  readonly #process: SimulatedProcess;
  #limitMs = 0;
  #onIdle: () => void = () => undefined;
  #movedAtMs = 0;
  #isWaiting = false;

  constructor(process: SimulatedProcess) {
    this.#process = process;
  }

  /** From now on `onIdle` is called when nothing moved for so long; 0 for never. */
  set(limitMs: number, onIdle: () => void): void {
    this.#limitMs = limitMs;
    this.#onIdle = onIdle;
    this.moved();
    if (!this.#isWaiting && limitMs > 0) this.#wait(limitMs);
  }

  /** Something moved: the time of silence starts anew. */
  moved(): void {
    this.#movedAtMs = this.#process.uptimeMs();
  }

  #wait(delayMs: number): void {
    this.#isWaiting = true;
    this.#process.after(delayMs, () => {
      this.#isWaiting = false;
      if (this.#limitMs === 0) return;
      const leftMs = this.#movedAtMs + this.#limitMs - this.#process.uptimeMs();
      // Less than that would be no time at all beside the time of day.
      if (leftMs > 0.001) this.#wait(leftMs);
      else this.#onIdle();
    });
  }
}
