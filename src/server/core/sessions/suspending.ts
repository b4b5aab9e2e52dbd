/** A session stops in order: a sync point of what came, and it waits for whoever resumes it. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { SessionWork } from './admission.ts';
import type { LiveSession } from './live-session.ts';
import { lastingChanges } from './progress.ts';

/** Its client leaves. @throws CairnError storage codes, `session-fenced` */
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
 * What it is authorized by has ended, which `error` says to its requests.
 *
 * @throws CairnError storage codes
 */
export async function suspendUnauthorized(live: LiveSession, error: CairnError, log: Logger): Promise<void> {
  const { id, record } = live;
  await live.endRequests(() => true, error);
  await live.exclusive(async () => {
    const { state, authorization } = record.value;
    if (state !== 'open' && state !== 'establishing') return;
    if (state === 'open') await live.content.sync();
    const changes = { ...(await lastingChanges(live)), holder: null };
    await record.change('suspend', changes, undefined, { by: authorization?.id, why: error.code });
  });
  log.info({ session: id, code: error.code }, 'session suspended: its authorization has ended');
}
