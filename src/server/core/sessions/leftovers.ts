/** Staging areas that the end of a session could not free, as on a disk that failed for a moment. */
import { isTerminal } from '../../../session/state.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { Logger } from '../../../base/logger.ts';

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** Frees them when that can be done. */
export interface Leftovers {
  /** The area of a session that has ended is still there. */
  note(id: string): void;
  /** Tries no more. */
  stop(): void;
}

/**
 * Tries each area again, after a second and then ever more seldom. Its timers keep no process alive; after a restart the
 * collector finds what is left.
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
      // The same request, asked again long after, has made a new session of the same id.
      if (record !== undefined && !isTerminal(record.state)) {
        timers.delete(id);
        return;
      }
      await (await content.openStaging(id)).discard();
      timers.delete(id);
      log.info({ session: id }, 'freed what the end of a session could not free');
    } catch (error) {
      log.debug({ session: id, err: error }, 'a staging area cannot be freed yet');
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
