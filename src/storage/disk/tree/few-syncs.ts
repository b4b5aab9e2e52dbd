/** Syncs of a whole file system, few at a time: a thousand transfers may publish together. */
import type { Native } from '../../../base/native.ts';

/** More would only wait in the pool of threads. */
const MAX_SYNCS = 8;

/** The same calls, of which those that sync a file system wait for each other. */
export function withFewSyncs(native: Native): Native {
  const { syncFileSystem } = native;
  if (syncFileSystem === undefined) return native;
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    ...native,
    syncFileSystem: async (fd) => {
      // A sync that ends hands its place on, so that no other comes between.
      if (running < MAX_SYNCS) running += 1;
      else await new Promise<void>((go) => waiting.push(go));
      try {
        await syncFileSystem(fd);
      } finally {
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        else next();
      }
    },
  };
}
