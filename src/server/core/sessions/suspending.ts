/** Stops a session in order: a sync point of the received bytes, and then it waits for a resume. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Authorization } from '../../../session/authorization.ts';
import type { SessionWork } from './admission.ts';
import type { LiveSession } from './live-session.ts';
import { lastingChanges } from './progress.ts';

/** Suspends a session whose client leaves. @throws CairnError storage codes, `session-fenced` */
export async function suspendForClient({ live, epoch, cause }: SessionWork, log: Logger): Promise<void> {
  const { state } = live.record.value;
  if (state !== 'open' && state !== 'establishing') return;
  const error = new CairnError('session-suspended', 'the client suspended the session');
  await live.endRequests((request) => request.chunk !== undefined, error);
  if (state === 'open') await live.exclusive(() => live.content.sync());
  const changes = { ...(await lastingChanges(live)), holder: null };
  await live.record.change('suspend', changes, epoch, { ...cause, why: 'client' });
  log.info({ session: live.id, epoch }, 'session suspended');
}

/**
 * Suspends a session whose authorization has ended, and ends its requests with that error.
 *
 * @param endedError asked again in this session's turn: the client may have come back with another token meanwhile
 * @throws CairnError storage codes
 */
export async function suspendUnauthorized(
  live: LiveSession,
  endedError: (authorization: Authorization) => CairnError | undefined,
  log: Logger,
): Promise<void> {
  const { id, record } = live;
  const endedNow = (): CairnError | undefined => {
    const { state, authorization } = record.value;
    if (authorization === undefined || (state !== 'open' && state !== 'establishing')) return undefined;
    return endedError(authorization);
  };
  const error = endedNow();
  if (error === undefined) return;
  await live.endRequests(() => true, error);
  const isSuspended = await live.exclusive(async () => {
    if (endedNow() === undefined) return false;
    if (record.value.state === 'open') await live.content.sync();
    const changes = { ...(await lastingChanges(live)), holder: null };
    if (endedNow() === undefined) return false;
    const { authorization } = record.value;
    await record.change('suspend', changes, undefined, { by: authorization?.id, why: error.code });
    return true;
  });
  if (isSuspended)
    log.info({ session: id, code: error.code }, 'session suspended: its authorization has ended');
}
