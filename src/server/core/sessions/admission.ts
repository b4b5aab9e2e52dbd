/** Decides which requests may work on a session: checks the proof, the epoch, the lease and the authorization. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { isOfSession, retirePrevious } from '../../../session/credential-rotation.ts';
import type { MomentCause } from '../../../session/history.ts';
import { isTerminal, type SessionEvent } from '../../../session/state.ts';
import { checkTakeover, type Usage } from '../quota/quota.ts';
import { noticeReuse } from './credential-reuse.ts';
import { tellingItsEnd } from './ended-elsewhere.ts';
import type { Ending } from './ending.ts';
import { inFlight } from './in-flight.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';
import type { LiveSessions } from './live-sessions.ts';
import { renewAuthorization } from './renewal.ts';

/** The proof of a request that it belongs to its session. */
export interface SessionProof {
  readonly epoch: number;
  readonly credential: string;
}

/** The sender of a request to a session. */
export interface SessionCaller {
  readonly proof: SessionProof;
  /** The authorization of an access token that came with the proof: it becomes the session's own. */
  readonly asking: Authorization | undefined;
  /** Network address. */
  readonly address: string;
  /** Makes the request fail from outside. */
  readonly end: (error: CairnError) => void;
}

/** The session of a request, and what the request wants of it. */
export interface SessionCall {
  readonly id: string;
  readonly event: SessionEvent;
  /** Refuses sessions of another direction. */
  readonly direction?: 'push' | 'pull';
  /** Whether it changes nothing: a record of a few seconds ago is new enough, unless a token comes with it. */
  readonly onlyReads?: boolean;
  /** The chunk of the request. A newer request for a chunk ends an older one. */
  readonly chunk?: number;
  /** Whether its body came with it, so that it may have been on its way for long when its token expired. */
  readonly mayBeLate?: boolean;
}

/** The input of the work on a session. */
export interface SessionWork {
  readonly live: LiveSession;
  /** The epoch of the request. */
  readonly epoch: number;
  /** The request, as one of those in flight. */
  readonly request: SessionRequest;
  /** The authorization and the address, for the session's history. */
  readonly cause: MomentCause;
}

/**
 * Admits a request to its session and runs `work`.
 *
 * @throws CairnError `token-expired`, `token-revoked`, `session-not-found`, `session-fenced`, `session-credential`,
 * `session-suspended`, `session-expired`, `session-aborted`, `session-state`
 */
export type Admit = (
  caller: SessionCaller,
  call: SessionCall,
  work: (given: SessionWork) => Promise<void>,
) => Promise<void>;

/**
 * Refuses a request whose authorization has ended; a late one may have been sent before that.
 *
 * @throws CairnError `token-expired`, `token-revoked`
 */
export type CheckStands = (authorization: Authorization, isLate?: boolean) => void;

/** The parts that admit requests to the sessions of one server. */
export interface AdmissionOptions {
  readonly live: Pick<LiveSessions, 'use'>;
  /** Whether other nodes see the same sessions. */
  readonly isShared: boolean;
  readonly refuseExpired: Ending['refuseExpired'];
  readonly usage: Usage;
  readonly checkStands: CheckStands;
  readonly now: () => number;
  /** Called for a credential that was never one of the session's. */
  readonly onStranger: () => void;
  readonly log: Logger;
}

/** Makes the function that admits requests to the sessions of one server. */
export function createAdmission(options: AdmissionOptions): Admit {
  const { live: sessions, isShared, refuseExpired, usage, checkStands, now, onStranger, log } = options;
  return ({ proof, asking, address, end }, { id, event, direction, chunk, mayBeLate, onlyReads }, work) => {
    const how = onlyReads === true && asking === undefined ? 'recent' : 'newest';
    const admitted = async (live: LiveSession): Promise<void> => {
      const { record } = live;
      if (how === 'recent') {
        await newestWhereRefused(live, () => {
          record.admit(proof, event);
          checkAuthorized(live, (authorization) => checkStands(authorization, mayBeLate));
        });
      }
      checkPrincipal(live, asking?.principal);
      if (asking === undefined && !isOfSession(record.value, proof.credential)) {
        // Without a token or a credential of the session, a stranger must not learn that it exists.
        onStranger();
        throw noSession();
      }
      await refuseExpired(live);
      try {
        record.admit(proof, event);
      } catch (error) {
        await noticeReuse({ log, now }, live, { ...proof, address });
        throw error;
      }
      // The client has the new credential, so the one before is no longer needed.
      if (record.value.previousCredentialHash !== undefined)
        await record.change(undefined, (current) => retirePrevious(current), proof.epoch);
      checkDirection(live, direction);
      if (asking !== undefined) {
        await checkTakeover(usage, asking, record.value);
        await renewAuthorization(live, asking, address);
      }
      checkAuthorized(live, (authorization) => checkStands(authorization, mayBeLate));
      await inFlight(live, { epoch: proof.epoch, address, chunk, end }, async (request) => {
        await record.touch();
        const cause = { by: record.value.authorization?.id, from: address };
        const given = { live, epoch: proof.epoch, request, cause };
        await tellingItsEnd(live, { event, isShared }, () => work(given));
      });
    };
    return sessions.use(id, admitted, how);
  };
}

/** A record of a few seconds ago refuses nobody: where it would, the newest one is read. */
async function newestWhereRefused({ record }: LiveSession, check: () => void): Promise<void> {
  try {
    check();
  } catch {
    await record.refresh(); // the checks that follow throw what still holds
  }
}

/** A record of an older cairn has no authorization. */
function checkAuthorized({ record }: LiveSession, check: (authorization: Authorization) => void): void {
  const { authorization, state } = record.value;
  if (isTerminal(state)) return;
  if (authorization === undefined)
    throw new CairnError('session-suspended', 'the record of this session names no authorization; resume it');
  check(authorization);
}

/** The session of another principal looks like one that does not exist. @throws CairnError `session-not-found` */
export function checkPrincipal(live: LiveSession, principal: string | undefined): void {
  if (principal === undefined || principal === live.record.value.principal) return;
  throw noSession();
}

function noSession(): CairnError {
  return new CairnError('session-not-found', 'there is no such session; run the command again to start over');
}

function checkDirection(live: LiveSession, direction: 'push' | 'pull' | undefined): void {
  const { direction: actual } = live.record.value.pass;
  if (direction === undefined || direction === actual) return;
  throw new CairnError('session-state', `this request is for a ${direction}; the session is a ${actual}`);
}
