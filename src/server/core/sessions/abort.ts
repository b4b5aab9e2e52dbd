/** The end of a session that somebody wants to end: what it holds is freed before that is answered. */
import { CairnError } from '../../../base/errors.ts';
import type { MomentCause } from '../../../session/history.ts';
import type { SessionContext } from '../../server-context.ts';
import { recordEnd } from './ending.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';

/** Who ends a session, and how. */
export interface Aborting {
  readonly cause: MomentCause;
  /** The epoch in whose name it ends; undefined for who has none. */
  readonly epoch?: number;
  /** The request that asks for it, where it is one of the session's. */
  readonly request?: SessionRequest;
}

/**
 * Ends a session and frees its staging, its descriptors and its timers. Its requests in flight fail with
 * `session-aborted`, and so does whatever its client asks later: the record stays a while, to tell it.
 *
 * @throws CairnError `session-state` while it is being committed, `session-fenced`, what the state table gives
 */
export async function abortSession(
  context: SessionContext,
  live: LiveSession,
  { cause, epoch, request }: Aborting,
): Promise<void> {
  const error = new CairnError('session-aborted', 'the session was aborted');
  // A manifest that comes, or is made, has the session's turn for as long as its sender, or the tree, takes.
  if (live.record.value.state === 'establishing') await live.endRequests((other) => other !== request, error);
  // In turn with commits: one that began a moment ago publishes, whatever is written down after it.
  await live.exclusive(async () => {
    if (live.job?.isRunning === true) {
      throw new CairnError('session-state', 'the session is being committed; it can no longer be aborted');
    }
    const { state } = live.record.value;
    // Whoever asks for that again must not cost a sync each time.
    if (epoch === undefined && (state === 'aborted' || state === 'expired')) return;
    await recordEnd(context, live, 'abort', cause, epoch);
  });
  context.log.info({ session: live.id, ...cause }, 'session aborted');
  await live.endRequests((other) => other !== request, error);
  await live.exclusive(() => live.content.discard());
}
