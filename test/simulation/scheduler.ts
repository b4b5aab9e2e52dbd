/**
 * Virtual time. Everything that happens in a simulated world is an event of this scheduler; between two events all
 * microtasks of the code under test have run, so that the order of events alone decides what happens.
 */

/** Something that is to happen; cancelling it is forgetting what. */
export interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** What ends a run. */
export interface RunLimits {
  /** Looked at before every step; true ends the run. */
  readonly isOver: () => boolean;
  /** Called before every step, when nothing of the step before is left to do. */
  readonly betweenSteps: () => void;
}

/** A queue of events in virtual time. */
export class Scheduler {
  nowMs = 0;
  steps = 0;
  #order = 0;
  readonly #heap: Scheduled[] = [];

  /** Lets `run` happen after `delayMs`. */
  after(delayMs: number, run: () => void): Scheduled {
    const event: Scheduled = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(event);
    return event;
  }

  /**
   * Runs events until {@link RunLimits.isOver} says so or there are none. Rejects with what a step or a check threw.
   *
   * A step is a callback of `process.nextTick` that was asked for by a microtask: Node runs it when the queue of
   * microtasks is empty, and never before.
   */
  run({ isOver, betweenSteps }: RunLimits): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          betweenSteps();
          const event = isOver() ? undefined : this.#pop();
          if (event === undefined) {
            resolve();
            return;
          }
          this.nowMs = event.atMs;
          this.steps += 1;
          event.run?.();
        } catch (error) {
          reject(error);
          return;
        }
        queueMicrotask(next);
      };
      const next = (): void => process.nextTick(step);
      next();
    });
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  /** The next event that was not cancelled. */
  #pop(): Scheduled | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return undefined;
      this.#removeFirst();
      if (first.run !== undefined) return first;
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
