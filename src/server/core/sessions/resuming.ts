/** Resumes a session for the client that asks: with a new epoch and a new credential. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { issueSecret } from '../../../session/credential.ts';
import { mayResumeWith, rotate } from '../../../session/credential-rotation.ts';
import { syncOf } from '../../../session/pass-record.ts';
import { leaseEnd, type SessionChanges, type SessionRecord } from '../../../session/record.ts';
import { stricterSync, type SyncMode } from '../../../session/sync-mode.ts';
import type { SessionTerms } from '../../../wire/messages.ts';
import { checkTakeover, type Usage } from '../quota/quota.ts';
import { noticeReuse } from './credential-reuse.ts';
import { encodingsOf, type TermsOf } from './session-terms.ts';
import type { LiveSession } from './live-session.ts';
import { checkAllowsSession } from './renewal.ts';
import type { SessionTimes } from './session-times.ts';

/** A request to resume a session. */
export interface Resuming {
  readonly authorization: Authorization;
  readonly address: string;
  /** The credential that the request shows; undefined for a client without one. */
  readonly credential: string | undefined;
  /** A wish that makes the sync mode stricter, never looser. */
  readonly sync: SyncMode | undefined;
  /** Encodings that the client supports. */
  readonly encodings: readonly string[] | undefined;
}

/** The parts that resume the sessions of one server. */
export interface ResumingOptions {
  readonly usage: Usage;
  readonly times: Pick<SessionTimes, 'now' | 'leaseMs' | 'maxAgeMs'>;
  /** The id of this server: records name it as the holder of bytes that are not durable. */
  readonly instanceId: string;
  readonly termsOf: TermsOf;
  /** Called for each resumed session. */
  readonly onResumed: () => void;
  readonly log: Logger;
}

/**
 * Resumes a session: a new epoch, a new credential. Before this resolves, requests of older epochs have ended, and
 * the bytes that they brought are settled.
 *
 * @throws CairnError `forbidden`, `quota-exceeded`, `session-aborted`, `session-expired`, `session-credential` for a
 * replaced one
 */
export type Resume = (live: LiveSession, resuming: Resuming) => Promise<SessionTerms>;

/** Makes the function that resumes the sessions of one server. */
export function createResume({ usage, times, instanceId, termsOf, onResumed, log }: ResumingOptions): Resume {
  const { now } = times;
  return async (live, { authorization, address, credential, sync, encodings }) => {
    checkAllowsSession(authorization, live.record.value);
    if (credential !== undefined && !mayResumeWith(live.record.value, credential)) {
      await noticeReuse({ log, now }, live, { credential, epoch: undefined, address });
      throw new CairnError('session-credential', 'another client took over this transfer; this one stops');
    }
    await checkTakeover(usage, authorization, live.record.value);
    const { secret, hash } = issueSecret();
    const before = syncOf(live.record.value.pass);
    const stricter = (own: SyncMode | undefined): SessionChanges =>
      own === undefined ? {} : { pass: { sync: stricterSync(sync, own) } };
    const changes = (current: SessionRecord): SessionChanges => ({
      ...rotate(current, hash, credential, now()),
      epoch: current.epoch + 1,
      ...stricter(syncOf(current.pass)),
      encodings: undefined,
      ...encodingsOf(encodings),
      authorization,
      holder: instanceId,
      leaseExpiresAtMs: Math.max(current.leaseExpiresAtMs, leaseEnd(current, now(), times)),
    });
    const cause = { by: authorization.id, from: address };
    const record = await live.record.change('resume', changes, undefined, cause);
    onResumed();
    await live.endOlderRequests();
    // The chunks are opened again in the new mode.
    if (syncOf(record.pass) !== before && record.state === 'open')
      await live.content.closeChunks({ sync: true });
    const { id, epoch, pass, state } = record;
    log.info({ session: id, epoch, direction: pass.direction, state, ...cause }, 'session resumed');
    return termsOf(record, secret, true);
  };
}
