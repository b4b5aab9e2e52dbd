/**
 * How many requests this node has under way at a service at the same time: one more for each full round that goes well, half as
 * many when the service says that it is too much (AIMD). One for all requests of a node, so that it never competes with itself.
 */

/** Such a limit; requests wait for their turn in the order in which they came. */
export interface AdaptiveWidth {
  /** Does `work` when it is its turn. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** The service has taken a request. */
  grow(): void;
  /** The service refused a request that began at a time of `performance.now()`, since there were too many. */
  shrink(beganAtMs: number): void;
  readonly width: number;
}

/** Bounds of the width, in requests. */
export interface WidthBounds {
  readonly initial: number;
  readonly max: number;
}

/** @param now milliseconds since some moment; they only grow */
export function createAdaptiveWidth(
  { initial, max }: WidthBounds,
  now: () => number = () => performance.now(),
): AdaptiveWidth {
  let width = initial;
  let running = 0;
  let shrunkAtMs = -Infinity;
  const waiting: (() => void)[] = [];
  const startMore = (): void => {
    while (running < Math.floor(width)) {
      const next = waiting.shift();
      if (next === undefined) return;
      running += 1;
      next();
    }
  };
  return {
    run: async (work) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        startMore();
      });
      try {
        return await work();
      } finally {
        running -= 1;
        startMore();
      }
    },
    grow: () => {
      // A width that nobody uses says nothing about a larger one.
      if (running >= Math.floor(width)) width = Math.min(max, width + 1 / width);
    },
    shrink: (beganAtMs) => {
      // Requests that were under way at the last time tell nothing new.
      if (beganAtMs < shrunkAtMs) return;
      shrunkAtMs = now();
      width = Math.max(1, width / 2);
    },
    get width() {
      return width;
    },
  };
}
