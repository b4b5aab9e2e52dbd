/** The last record of a session that ends before it is committed. */
import { CairnError, EXIT } from '../../../base/errors.ts';
import type { MomentCause } from '../../../session/history.ts';
import { advance } from '../../../session/record.ts';
import type { SessionContext } from '../../server-context.ts';
import type { LiveSession } from './live-session.ts';

/**
 * Writes down that a session has ended; the record stays a while, to tell its client. A full disk, or
 * one that fails, must not keep what would make room on it: where it takes no record the old one is removed, and the
 * client learns that there is none.
 *
 * @throws CairnError `session-fenced` for an epoch that is over, what the state table gives
 */
export async function recordEnd(
  context: SessionContext,
  { id, record }: LiveSession,
  event: 'abort' | 'expire',
  cause: MomentCause,
  epoch?: number,
): Promise<void> {
  const { limits, log, now, sessions } = context;
  const ended = { leaseExpiresAtMs: now() + limits.keepEndedMs, holder: null };
  try {
    await record.change(event, ended, epoch, cause);
  } catch (error) {
    if (!(error instanceof CairnError) || error.traits.exitCode !== EXIT.storage) throw error;
    log.warn(
      { session: id, err: error },
      'the end of a session cannot be written down: its record is removed',
    );
    try {
      await sessions.remove(id);
    } catch (failure) {
      // What it stages is freed all the same: a record that comes back with a restart finds nothing.
      log.error({ session: id, err: failure }, 'removing the record of a session failed');
    }
    record.adopt(advance(record.value, event, ended));
  }
}
