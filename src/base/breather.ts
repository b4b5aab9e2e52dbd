/** Long synchronous work in steps, between which other work gets the event loop. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long synchronous calls may block the event loop by default, in milliseconds. */
const MAX_BUSY_MS = 10;

/**
 * Yields to the event loop between batches of synchronous calls: call it often. It waits only when the calls have kept
 * the loop busy for some milliseconds, so that small files do not pay for a turn each.
 */
export function createBreather(maxBusyMs = MAX_BUSY_MS): () => Promise<void> | undefined {
  let since = performance.now();
  const breathe = async (): Promise<void> => {
    await nextTurn();
    since = performance.now();
  };
  return () => (performance.now() - since < maxBusyMs ? undefined : breathe());
}
