/** Publishing that another run of this server, or another node, left in the middle. */
import type { Logger } from '../../../base/logger.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { Commits } from './commits.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { Publishers } from './publishers.ts';
import { sideBySide } from './side-by-side.ts';

/** Interrupted commits that go on at a time after a start: each opens files, and all write to one disk. */
const RESUMED_AT_A_TIME = 4;

/** Where interrupted commits are found, and what goes on with them. */
interface Interrupted {
  readonly sessions: Pick<SessionStore, 'list'>;
  readonly live: Pick<LiveSessions, 'use'>;
  readonly resume: Commits['resume'];
  readonly isAbandoned: Publishers['isAbandoned'];
  readonly log: Logger;
}

/**
 * Finishes that publishing, a few sessions at a time. Resolves when all are over, or when those that had begun are after
 * `isStopping` says so.
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
