/** Limits the syncs of whole file systems that run at a time: a thousand transfers may publish together. */
import type { Native } from '../../../base/native.ts';

/** Further ones would only wait in the thread pool. */
const MAX_SYNCS = 8;

/** The same calls, with a limit on those that sync a file system. */
export function withFewSyncs(native: Native): Native {
  const { syncFileSystem } = native;
  if (syncFileSystem === undefined) return native;
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    ...native,
    syncFileSystem: async (fd) => {
      // A sync that ends hands its place on, so that no other call gets it first.
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
