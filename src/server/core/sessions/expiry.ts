/** The end of sessions that nobody wants any more. */
import { CairnError } from '../../../base/errors.ts';
import { isTerminal } from '../../../session/state.ts';
import { recordEnd } from './ending.ts';
import type { LiveSession } from './live-session.ts';
import type { SessionContext } from '../../server-context.ts';

/**
 * Ends a session whose lease is over and frees what it holds; its record stays a while, to tell its client. Whoever
 * touched or committed it a moment ago comes first: then nothing happens.
 */
export async function expireSession(context: SessionContext, live: LiveSession): Promise<void> {
  const isOver = await live.exclusive(async () => {
    if (live.job?.isRunning === true || isTerminal(live.record.value.state) || !live.record.isLeaseOver())
      return false;
    await recordEnd(context, live, 'expire', { why: 'lease-over' });
    return true;
  });
  if (!isOver) return;
  context.log.info({ session: live.id }, 'session expired');
  const error = new CairnError(
    'session-expired',
    'the session has expired; run the command again to start over',
  );
  await live.endRequests(() => true, error);
  await live.content.discard();
}
