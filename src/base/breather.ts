/** Long synchronous work in steps, between which others have the event loop. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long synchronous calls may keep the event loop where nobody says otherwise, in milliseconds. */
const MAX_BUSY_MS = 10;

/**
 * Lets others have the event loop between batches of synchronous calls: call it often; it waits only when the loop has
 * been kept for some milliseconds, so that small files do not pay for a turn each.
 */
export function createBreather(maxBusyMs = MAX_BUSY_MS): () => Promise<void> | undefined {
  let since = performance.now();
  const breathe = async (): Promise<void> => {
    await nextTurn();
    since = performance.now();
  };
  return () => (performance.now() - since < maxBusyMs ? undefined : breathe());
}
