/** A session begins, or the unfinished one that its client means goes on. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { printable } from '../../../base/safe-path.ts';
import { DIGEST_ALGORITHMS, isDigestAlgorithm, type DigestAlgorithm } from '../../../manifest/digest.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { createSessionId, issueSecret, sessionIdOf } from '../../../session/credential.ts';
import type { SessionRecord } from '../../../session/record.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { SessionGrant } from '../../../wire/messages.ts';
import type { CoreLimits } from '../core-limits.ts';
import { checkNewSession, openUsage, type Usage } from '../quota/quota.ts';
import type { EarlierSessions } from './earlier-sessions.ts';
import type { GrantOf } from './grant.ts';
import type { NewRecord } from './new-record.ts';
import { checkAllowsSession } from './renewal.ts';
import type { SessionWish } from './session-wish.ts';
import { lookAtTarget } from './target-look.ts';

/** What a wish came to; undefined as a grant where an earlier try has taken the id and left nothing. */
export interface Established {
  readonly grant: SessionGrant | undefined;
  /** Whether there was no such session before. */
  readonly isNew: boolean;
}

/**
 * Starts a session, or resumes the unfinished one that the client means.
 *
 * @throws CairnError `forbidden`, `not-found`, `symlink-refused`, `not-directory`, `invalid-request`, `server-busy`,
 * `quota-exceeded`, storage codes; what resuming throws
 */
export type Establish = (wish: SessionWish) => Promise<Established>;

/** What sessions of one server are established with. */
export interface EstablishOptions {
  readonly content: Pick<ContentStore, 'lookup'>;
  /** Secret that the ids of sessions are made with. */
  readonly sessionKey: Uint8Array;
  readonly earlier: Pick<EarlierSessions, 'unfinished' | 'answered'>;
  readonly newRecord: NewRecord;
  readonly keepRecord: KeepRecord;
  readonly grantOf: GrantOf;
  readonly log: Logger;
}

/** Makes what establishes the sessions of one server. */
export function createEstablish(options: EstablishOptions): Establish {
  const { content, sessionKey, earlier, newRecord, keepRecord, grantOf, log } = options;
  return async (wish) => {
    const { authorization, address, target, request } = wish;
    const { id: by, principal } = authorization;
    const { direction, requestId } = request;
    checkAllowsSession(authorization, { direction, target });
    const look = await lookAtTarget(content, wish);
    const digest = chooseDigest(request.digests);
    const id = requestId === undefined ? createSessionId() : sessionIdOf(sessionKey, principal, requestId);
    const grant = (await earlier.unfinished(wish)) ?? (await earlier.answered(wish, id));
    if (grant !== undefined) return { grant, isNew: false };
    const { secret, hash } = issueSecret();
    const record = newRecord(wish, look, { id, digest, credentialHash: hash });
    // False: an earlier try of this very request has only now got so far.
    if (!(await keepRecord(record, authorization)))
      return { grant: await earlier.answered(wish, id), isNew: false };
    const fields = { session: id, principal, by, from: address, direction, target: printable(target) };
    log.info(fields, 'session established');
    return { grant: { ...grantOf(record, secret, false), ...look.there }, isNew: true };
  };
}

/**
 * Keeps a new record; false where its id was taken meanwhile.
 *
 * @throws CairnError `server-busy`, `quota-exceeded`, storage codes
 */
export type KeepRecord = (record: SessionRecord, authorization: Authorization) => Promise<boolean>;

/** Makes what keeps new records of one server, as many as may be. */
export function createKeepRecord(
  sessions: Pick<SessionStore, 'create' | 'get'>,
  usage: Usage,
  limits: Pick<CoreLimits, 'maxSessions' | 'maxSessionsPerPrincipal'>,
): KeepRecord {
  return async (record, authorization) => {
    await openUsage(usage);
    checkNewSession(usage, { authorization, session: record.id }, limits);
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
    `none of the digests is known here: ${DIGEST_ALGORITHMS.join(', ')} are`,
  );
}
