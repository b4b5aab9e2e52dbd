/** Finishes the publishing that an earlier run of this server, or another node, left unfinished. */
import type { Logger } from '../../../base/logger.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { Commits } from './commits.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { Publishers } from './publishers.ts';
import { sideBySide } from '../../../base/side-by-side.ts';

/** Interrupted commits that run at a time after a start: each opens files, and all write to one disk. */
const RESUMED_AT_A_TIME = 4;

/** The stores of interrupted commits, and the function that resumes them. */
interface Interrupted {
  readonly sessions: Pick<SessionStore, 'list'>;
  readonly live: Pick<LiveSessions, 'use'>;
  readonly resume: Commits['resume'];
  readonly isAbandoned: Publishers['isAbandoned'];
  readonly log: Logger;
}

/**
 * Finishes that publishing, a few sessions at a time. Resolves when all are over, or once `isStopping` when those
 * that had begun are.
 */
export async function resumeCommits(
  { sessions, live, resume, isAbandoned, log }: Interrupted,
  isStopping: () => boolean,
): Promise<void> {
  await sideBySide(sessions.list(), RESUMED_AT_A_TIME, async (record) => {
    if (!isAbandoned(record) || isStopping()) return;
    const { id } = record;
    try {
      const job = await live.use(id, (session) => session.exclusive(() => resume(session)));
      await job?.done.catch(() => undefined); // logged by the job itself
    } catch (error) {
      log.error({ session: id, err: error }, 'resuming an interrupted commit failed');
    }
  });
}
