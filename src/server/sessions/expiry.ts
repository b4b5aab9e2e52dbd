/** The end of sessions that nobody wants any more. */
import { CairnError } from '../../base/errors.ts';
import type { LiveSession } from './live-session.ts';
import type { SessionContext } from '../server-context.ts';

/** Ends a session whose lease is over and frees what it holds; its record stays a while, to tell its client. */
export async function expireSession(context: SessionContext, live: LiveSession): Promise<void> {
  const leaseExpiresAtMs = context.now() + context.limits.keepEndedMs;
  await live.record.change('expire', { leaseExpiresAtMs, holder: null });
  context.log.info({ session: live.id }, 'session expired');
  const error = new CairnError(
    'session-expired',
    'the session has expired; run the command again to start over',
  );
  await live.endRequests(() => true, error);
  await live.content.discard();
}
