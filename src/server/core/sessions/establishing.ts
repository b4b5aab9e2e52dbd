/** Starts a session, or resumes the unfinished one of its client. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { printable } from '../../../base/safe-path.ts';
import { DIGEST_ALGORITHMS, isDigestAlgorithm, type DigestAlgorithm } from '../../../manifest/digest.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { createSessionId, issueSecret, sessionIdOf } from '../../../session/credential.ts';
import type { SessionRecord } from '../../../session/record.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { SessionTerms } from '../../../wire/messages.ts';
import type { CoreLimits } from '../core-limits.ts';
import { announcementOf } from '../quota/announcements.ts';
import { checkNewSession, openUsage, type Usage } from '../quota/quota.ts';
import { backupPathOf } from './backup-place.ts';
import { checkMayDelete } from './deletions-taking.ts';
import type { EarlierSessions } from './earlier-sessions.ts';
import type { TermsOf } from './session-terms.ts';
import type { NewRecord } from './new-record.ts';
import { checkAllowsSession } from './renewal.ts';
import type { SessionWish } from './session-wish.ts';
import { lookAtTarget } from './target-look.ts';

/** The result of a wish; no terms where an earlier try has taken the id and left nothing. */
export interface Established {
  readonly terms: SessionTerms | undefined;
  /** Whether the session is new. */
  readonly isNew: boolean;
}

/**
 * Starts a session, or resumes the unfinished one that the client means.
 *
 * @throws CairnError `forbidden`, `not-found`, `symlink-refused`, `not-directory`, `invalid-request`, `server-busy`,
 * `quota-exceeded`, storage codes; errors of resuming
 */
export type Establish = (wish: SessionWish) => Promise<Established>;

/** The parts that establish the sessions of one server. */
export interface EstablishOptions {
  readonly content: Pick<ContentStore, 'lookup'>;
  /** Secret key for the ids of sessions. */
  readonly sessionKey: Uint8Array;
  readonly earlier: Pick<EarlierSessions, 'unfinished' | 'answered'>;
  readonly newRecord: NewRecord;
  readonly keepRecord: KeepRecord;
  readonly termsOf: TermsOf;
  readonly log: Logger;
}

/** Makes the function that establishes the sessions of one server. */
export function createEstablish(options: EstablishOptions): Establish {
  const { content, sessionKey, earlier, newRecord, keepRecord, termsOf, log } = options;
  return async (wish) => {
    const { authorization, address, target, request } = wish;
    const { id: by, principal } = authorization;
    const { direction, requestId } = request;
    checkAllowsSession(authorization, { target, pass: { direction } });
    if (request.deletes === true) checkMayDelete({ authorization });
    backupPathOf({ authorization, target }, request.backup);
    const look = await lookAtTarget(content, wish);
    const digest = chooseDigest(request.digests);
    const id = requestId === undefined ? createSessionId() : sessionIdOf(sessionKey, principal, requestId);
    const terms = (await earlier.unfinished(wish)) ?? (await earlier.answered(wish, id));
    if (terms !== undefined) return { terms, isNew: false };
    const { secret, hash } = issueSecret();
    const record = newRecord(wish, look, { id, digest, credentialHash: hash });
    // False where an earlier try of this same request took the id only now.
    if (!(await keepRecord(record, authorization)))
      return { terms: await earlier.answered(wish, id), isNew: false };
    const fields = { session: id, principal, by, from: address, direction, target: printable(target) };
    log.info(fields, 'session established');
    return { terms: { ...termsOf(record, secret, false), ...look.there }, isNew: true };
  };
}

/**
 * Saves a new record; false where another one took its id meanwhile.
 *
 * @throws CairnError `server-busy`, `quota-exceeded`, storage codes
 */
export type KeepRecord = (record: SessionRecord, authorization: Authorization) => Promise<boolean>;

/** Makes the function that saves new records of one server, within its limits. */
export function createKeepRecord(
  sessions: Pick<SessionStore, 'create' | 'get'>,
  usage: Usage,
  limits: Pick<CoreLimits, 'maxSessions' | 'maxSessionsPerPrincipal'>,
): KeepRecord {
  return async (record, authorization) => {
    const wanted = { ...record, authorization };
    await openUsage(usage, announcementOf(wanted, {}));
    try {
      checkNewSession(usage, { authorization, session: record.id }, limits);
    } catch (error) {
      await usage.announcements?.tell(announcementOf(wanted, {}, 'withdrawn'));
      throw error;
    }
    try {
      await sessions.create(record);
    } catch (error) {
      if ((await sessions.get(record.id)) === undefined) throw error;
      return false;
    }
    return true;
  };
}

function chooseDigest(wished: readonly string[]): DigestAlgorithm {
  const digest = wished.find((name) => isDigestAlgorithm(name));
  if (digest !== undefined) return digest;
  throw new CairnError(
    'invalid-request',
    `this server knows none of the digests that the client offers; it knows ${DIGEST_ALGORITHMS.join(', ')}`,
  );
}
