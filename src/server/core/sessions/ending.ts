/** The end of sessions before they are committed: their client, an administrator or the lease ends them. */
import { CairnError, EXIT } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { MomentCause } from '../../../session/history.ts';
import { advance, type SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';
import type { Publishers } from './publishers.ts';
import type { SessionTimes } from './session-times.ts';

/** Who ends a session, and how. */
export interface Aborting {
  readonly cause: MomentCause;
  /** The epoch in whose name it ends; undefined for who has none. */
  readonly epoch?: number;
  /** The request that asks for it, where it is one of the session's. */
  readonly request?: SessionRequest;
}

/** Ends sessions. */
export interface Ending {
  /**
   * Ends a session and frees its staging, its descriptors and its timers. Its requests in flight fail with
   * `session-aborted`, and so does whatever its client asks later: the record stays a while, to tell it.
   *
   * @throws CairnError `session-state` while it is being committed, `session-fenced`, what the state table gives
   */
  abort(live: LiveSession, aborting: Aborting): Promise<void>;
  /**
   * Ends a session whose lease is over and frees what it holds; its record stays a while, to tell its client. Whoever
   * touched or committed it a moment ago comes first: then nothing happens.
   */
  expire(live: LiveSession): Promise<void>;
  /** A session whose lease is over has expired, whether the collector was here or not. @throws CairnError `session-expired` */
  refuseExpired(live: LiveSession): Promise<void>;
}

/** What the ends of sessions are written down with. */
interface EndRecords {
  readonly sessions: Pick<SessionStore, 'remove'>;
  readonly times: Pick<SessionTimes, 'now' | 'keepEndedMs'>;
  readonly publishers: Pick<Publishers, 'isElsewhere' | 'isBegun'>;
  /** Goes on with a commit that no node works on. */
  readonly resumeCommit: (live: LiveSession) => Promise<unknown>;
  readonly log: Logger;
}

/** Makes what ends the sessions of one server. */
export function createEnding(records: EndRecords): Ending {
  const { publishers, resumeCommit, log } = records;
  const abort: Ending['abort'] = async (live, { cause, epoch, request }) => {
    const error = new CairnError('session-aborted', 'the session was aborted');
    const isOther = (other: SessionRequest): boolean => other !== request;
    // A manifest that comes, or is made, has the session's turn for as long as its sender, or the tree, takes.
    if (live.record.value.state === 'establishing') await live.endRequests(isOther, error);
    // In turn with commits: one that began a moment ago publishes, whatever is written down after it.
    await live.exclusive(async () => {
      if (live.job?.isRunning === true) throw beingCommitted();
      const { state } = live.record.value;
      // What other nodes have begun is finished: half of a tree is of use to nobody.
      if (publishers.isBegun(live.record.value)) {
        await resumeCommit(live);
        throw beingCommitted();
      }
      // Whoever asks for that again must not cost a sync each time.
      if (epoch === undefined && (state === 'aborted' || state === 'expired')) return;
      await recordEnd(records, live, 'abort', cause, epoch);
    });
    log.info({ session: live.id, ...cause }, 'session aborted');
    await live.endRequests(isOther, error);
    await live.exclusive(() => live.content.discard());
  };
  const expire: Ending['expire'] = async (live) => {
    const isOver = await live.exclusive(async () => {
      if (!mayExpire(publishers, live)) return false;
      try {
        await recordEnd(records, live, 'expire', { why: 'lease-over' });
      } catch (error) {
        if (isPublished(publishers, live.record.value)) return false;
        throw error;
      }
      return true;
    });
    if (!isOver) return;
    log.info({ session: live.id }, 'session expired');
    await live.endRequests(() => true, expired());
    await live.content.discard();
  };
  const refuseExpired: Ending['refuseExpired'] = async (live) => {
    if (!mayExpire(publishers, live)) return;
    await expire(live);
    if (live.record.value.state === 'expired') throw expired();
  };
  return { abort, expire, refuseExpired };
}

function mayExpire(publishers: EndRecords['publishers'], { job, record }: LiveSession): boolean {
  if (isTerminal(record.value.state) || job?.isRunning === true || !record.isLeaseOver()) return false;
  return !isPublished(publishers, record.value);
}

/** Whether another node publishes a session, or has begun to, so that it can no longer be given up. */
function isPublished({ isElsewhere, isBegun }: EndRecords['publishers'], record: SessionRecord): boolean {
  return isElsewhere(record) || isBegun(record);
}

function beingCommitted(): CairnError {
  return new CairnError('session-state', 'the session is being committed; it can no longer be aborted');
}

function expired(): CairnError {
  return new CairnError('session-expired', 'the session has expired; run the command again to start over');
}

/**
 * Writes down that a session has ended; the record stays a while, to tell its client. A full disk, or
 * one that fails, must not keep what would make room on it: where it takes no record the old one is removed, and the
 * client learns that there is none.
 *
 * @throws CairnError `session-fenced` for an epoch that is over, `session-state` where another node publishes it by now,
 * what the state table gives
 */
async function recordEnd(
  { sessions, times, publishers, log }: EndRecords,
  { id, record }: LiveSession,
  event: 'abort' | 'expire',
  cause: MomentCause,
  epoch?: number,
): Promise<void> {
  const ended = { leaseExpiresAtMs: times.now() + times.keepEndedMs, holder: null };
  const endNow = (current: SessionRecord): Partial<SessionRecord> => {
    if (isPublished(publishers, current)) throw beingCommitted();
    return ended;
  };
  try {
    await record.change(event, endNow, epoch, cause);
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
