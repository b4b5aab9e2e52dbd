/** Who may work on a session, and in whose name: the proof, the fence of the epoch, the lease, and what else is shown. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { isOfSession, retirePrevious } from '../../../session/credential-rotation.ts';
import type { MomentCause } from '../../../session/history.ts';
import { isTerminal, type SessionEvent } from '../../../session/state.ts';
import { checkTakeover, type Usage } from '../quota/quota.ts';
import { noticeReuse } from './credential-reuse.ts';
import type { Ending } from './ending.ts';
import { inFlight } from './in-flight.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';
import type { LiveSessions } from './live-sessions.ts';
import { renewAuthorization } from './renewal.ts';

/** What a request of a session proves itself with. */
export interface SessionProof {
  readonly epoch: number;
  readonly credential: string;
}

/** Who wants to work on a session. */
export interface SessionCaller {
  readonly proof: SessionProof;
  /** What an access token allows that was shown beside the proof: it renews what the session is authorized by. */
  readonly asking: Authorization | undefined;
  /** Network address. */
  readonly address: string;
  /** Makes it fail from outside. */
  readonly end: (error: CairnError) => void;
}

/** Which session is meant, and what is wanted of it. */
export interface SessionCall {
  readonly id: string;
  readonly event: SessionEvent;
  /** Only sessions of this direction. */
  readonly direction?: 'push' | 'pull';
  /** The chunk that it is about. A newer request for a chunk ends an older one. */
  readonly chunk?: number;
  /** Whether it was sent with its body, and may have been on its way for long when its token expired. */
  readonly mayBeLate?: boolean;
}

/** What the work on a session is given. */
export interface SessionWork {
  readonly live: LiveSession;
  /** The epoch in whose name the request acts. */
  readonly epoch: number;
  /** The request itself, as one of those in flight. */
  readonly request: SessionRequest;
  /** By whom and from where, for what it brings about. */
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
 * Refuses what is asked for in the name of an authorization that is over; what is late may have been sent before.
 *
 * @throws CairnError `token-expired`, `token-revoked`
 */
export type CheckStands = (authorization: Authorization, isLate?: boolean) => void;

/** What requests of one server are admitted with. */
export interface AdmissionOptions {
  readonly live: Pick<LiveSessions, 'use'>;
  readonly refuseExpired: Ending['refuseExpired'];
  readonly usage: Usage;
  readonly checkStands: CheckStands;
  readonly now: () => number;
  /** Told of a credential that was never one of the session's. */
  readonly onStranger: () => void;
  readonly log: Logger;
}

/** Makes what admits requests to the sessions of one server. */
export function createAdmission(options: AdmissionOptions): Admit {
  const { live: sessions, refuseExpired, usage, checkStands, now, onStranger, log } = options;
  return ({ proof, asking, address, end }, { id, event, direction, chunk, mayBeLate }, work) =>
    sessions.use(id, async (live) => {
      const { record } = live;
      checkPrincipal(live, asking?.principal);
      if (asking === undefined && !isOfSession(record.value, proof.credential)) {
        // Who shows no token, and nothing of the session either, must not learn that there is one.
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
      // The answer that brought the new credential has arrived: nobody needs the one before any more.
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
        await work({ live, epoch: proof.epoch, request, cause });
      });
    });
}

/** A record of an older cairn has no authorization. */
function checkAuthorized({ record }: LiveSession, check: (authorization: Authorization) => void): void {
  const { authorization, state } = record.value;
  if (isTerminal(state)) return;
  if (authorization === undefined)
    throw new CairnError('session-suspended', 'nobody is known to be authorized for this session; resume it');
  check(authorization);
}

/** Another principal's session does not exist. @throws CairnError `session-not-found` */
export function checkPrincipal(live: LiveSession, principal: string | undefined): void {
  if (principal === undefined || principal === live.record.value.principal) return;
  throw noSession();
}

function noSession(): CairnError {
  return new CairnError('session-not-found', 'there is no such session; run the command again to start over');
}

function checkDirection(live: LiveSession, direction: 'push' | 'pull' | undefined): void {
  const { direction: actual } = live.record.value;
  if (direction === undefined || direction === actual) return;
  throw new CairnError('session-state', `this belongs to a ${direction}; the session is a ${actual}`);
}
