/** Ends sessions before they are committed: for their client, for an administrator, or after the lease. */
import { CairnError, EXIT } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { MomentCause } from '../../../session/history.ts';
import { advance, type SessionChanges, type SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';
import type { Publishers } from './publishers.ts';
import type { SessionTimes } from './session-times.ts';

/** The initiator of an abort. */
export interface Aborting {
  readonly cause: MomentCause;
  /** The epoch of the request; undefined for an administrator. */
  readonly epoch?: number;
  /** The request for the abort, where it is one of the session's. */
  readonly request?: SessionRequest;
}

/** Ends sessions. */
export interface Ending {
  /**
   * Ends a session and frees its staging, descriptors and timers. Its requests in flight and later ones fail with
   * `session-aborted`: the record stays a while to say so.
   *
   * @throws CairnError `session-state` during a commit, `session-fenced`, errors of the state table
   */
  abort(live: LiveSession, aborting: Aborting): Promise<void>;
  /**
   * Ends a session whose lease is over and frees what it holds; the record stays a while to say so. Does nothing
   * where a request touched or committed it a moment ago.
   */
  expire(live: LiveSession): Promise<void>;
  /** Expires a session whose lease is over, before the collector does. @throws CairnError `session-expired` */
  refuseExpired(live: LiveSession): Promise<void>;
}

/** The parts that end sessions. */
interface EndRecords {
  readonly sessions: Pick<SessionStore, 'remove'>;
  readonly times: Pick<SessionTimes, 'now' | 'keepEndedMs'>;
  readonly publishers: Pick<Publishers, 'isElsewhere' | 'isBegun'>;
  /** Resumes a commit that no node works on. */
  readonly resumeCommit: (live: LiveSession) => Promise<unknown>;
  readonly log: Logger;
}

/** Makes the functions that end the sessions of one server. */
export function createEnding(records: EndRecords): Ending {
  const { publishers, resumeCommit, log } = records;
  const abort: Ending['abort'] = async (live, { cause, epoch, request }) => {
    const error = new CairnError('session-aborted', 'the session was aborted');
    const isOther = (other: SessionRequest): boolean => other !== request;
    // A manifest that is received or scanned keeps the session's turn for as long as its sender or its tree takes.
    if (live.record.value.state === 'establishing') await live.endRequests(isOther, error);
    // In turn with commits: a commit that began a moment ago publishes, whatever is written down after it.
    await live.exclusive(async () => {
      if (live.job?.isRunning === true) throw beingCommitted();
      const { state } = live.record.value;
      // Publishing that another node began is finished: half a tree is of no use.
      if (publishers.isBegun(live.record.value)) {
        await resumeCommit(live);
        throw beingCommitted();
      }
      // A repeated request must not cost a sync each time.
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

/** Whether another node publishes a session, or has begun to, so that it must be finished. */
function isPublished({ isElsewhere, isBegun }: EndRecords['publishers'], record: SessionRecord): boolean {
  return isElsewhere(record) || isBegun(record);
}

function beingCommitted(): CairnError {
  return new CairnError('session-state', 'the commit of the session has begun; it can no longer be aborted');
}

function expired(): CairnError {
  return new CairnError('session-expired', 'the session has expired; run the command again to start over');
}

/**
 * Writes down that a session has ended; the record stays a while to say so. A disk that is full or fails must not
 * prevent this, since the end makes room: where the disk takes no record the old one is removed, and the client
 * learns that the session is unknown.
 *
 * @throws CairnError `session-fenced` for an epoch that is over, `session-state` where another node publishes it by
 * now, errors of the state table
 */
async function recordEnd(
  { sessions, times, publishers, log }: EndRecords,
  { id, record }: LiveSession,
  event: 'abort' | 'expire',
  cause: MomentCause,
  epoch?: number,
): Promise<void> {
  const ended = { leaseExpiresAtMs: times.now() + times.keepEndedMs, holder: null };
  const endNow = (current: SessionRecord): SessionChanges => {
    if (isPublished(publishers, current)) throw beingCommitted();
    return ended;
  };
  try {
    await record.change(event, endNow, epoch, cause);
  } catch (error) {
    if (!(error instanceof CairnError) || error.traits.exitCode !== EXIT.storage) throw error;
    log.warn(
      { session: id, err: error },
      'the end of a session cannot be written down, so its record is removed',
    );
    try {
      await sessions.remove(id);
    } catch (failure) {
      // Its staging is freed all the same: a record that comes back with a restart finds nothing.
      log.error({ session: id, err: failure }, 'removing the record of a session failed');
    }
    record.adopt(advance(record.value, event, ended));
  }
}
