/** Frees staging areas that could not be freed when their session ended, as on a disk that failed for a moment. */
import { isTerminal } from '../../../session/state.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { Logger } from '../../../base/logger.ts';

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** Frees such areas when that is possible. */
export interface Leftovers {
  /** Takes in the area of an ended session. */
  note(id: string): void;
  /** Stops trying. */
  stop(): void;
}

/**
 * Tries each area again after a second, and then at growing intervals. Its timers keep no process alive; after a
 * restart the collector finds the rest.
 */
export function freeLeftovers(
  content: ContentStore,
  sessions: Pick<SessionStore, 'get'>,
  log: Logger,
): Leftovers {
  const timers = new Map<string, NodeJS.Timeout>();
  const plan = (id: string, waitMs: number): void => {
    const timer = setTimeout(() => void free(id, waitMs), waitMs).unref();
    timers.set(id, timer);
  };
  const free = async (id: string, waitedMs: number): Promise<void> => {
    try {
      const record = await sessions.get(id);
      // The same request, repeated long after, has made a new session with the same id.
      if (record !== undefined && !isTerminal(record.state)) {
        timers.delete(id);
        return;
      }
      await (await content.openStaging(id)).discard();
      timers.delete(id);
      log.info({ session: id }, 'freed the staging area of an ended session that could not be freed before');
    } catch (error) {
      log.debug({ session: id, err: error }, 'a staging area cannot be freed yet; the server tries again');
      if (timers.has(id)) plan(id, Math.min(2 * waitedMs, LONGEST_WAIT_MS));
    }
  };
  return {
    note: (id) => {
      if (!timers.has(id)) plan(id, FIRST_WAIT_MS);
    },
    stop: () => {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
