/** The record of a session, independent of its store, and the rules by which it changes. */
import { CairnError, type ErrorCode } from '../base/errors.ts';
import type { ChunkEncoding } from './encoding.ts';
import { isSecret } from './credential.ts';
import type { CredentialHashes } from './credential-rotation.ts';
import type { Moment } from './history.ts';
import { bringsBytes, type PassRecord } from './pass-record.ts';
import type { Publisher } from './publisher.ts';
import type { Scope } from './scopes.ts';
import { transition, type SessionEvent, type SessionState } from './state.ts';

/**
 * The durable record of one session: the conversation, and the pass that it is about. Plain data, replaced as a whole by
 * compare-and-set on `version`; `record-schema.ts` says how it is stored.
 */
export interface SessionRecord extends CredentialHashes {
  readonly id: string;
  /** Raised by one with every change, for compare-and-set. */
  readonly version: number;
  /** The principal that established it. */
  readonly principal: string;
  /** The authorization that last established, resumed or renewed it. Missing in old records, which need a resume. */
  readonly authorization?: RecordedAuthorization | undefined;
  /** Safe relative path below the content root; empty for the root itself. */
  readonly target: string;
  readonly parallel: number;
  /** The encodings that chunks may have in this epoch, besides none. */
  readonly encodings?: readonly ChunkEncoding[] | undefined;
  readonly state: SessionState;
  /** Fencing token: the server refuses requests of an older epoch. */
  readonly epoch: number;
  /** Id of the server process with bytes of the session that are not durable yet; null where none has any. */
  readonly holder: string | null;
  readonly createdAtMs: number;
  /** When the lease ends, unless a request touches the session before; milliseconds since 1970. */
  readonly leaseExpiresAtMs: number;
  /** Where many nodes share the record: the one that carries out the commit, or did. */
  readonly publisher?: Publisher | undefined;
  /** The last failure of a request; written only together with other changes. */
  readonly lastError?: SessionFailure | undefined;
  readonly history?: readonly Moment[] | undefined;
  /** The pass that the session is at. */
  readonly pass: PassRecord;
}

/** Changes to a record; those to its pass leave what they do not name as it is. */
export type SessionChanges = Partial<Omit<SessionRecord, 'pass'>> & {
  readonly pass?: Partial<PassRecord> | undefined;
};

/** The failure of a request of a session, or of its commit. */
export interface SessionFailure {
  readonly atMs: number;
  readonly code: ErrorCode;
  /** Printable, without secrets. */
  readonly message: string;
}

/** What a session is allowed, as its record stores it. */
export interface RecordedAuthorization {
  readonly id: string;
  readonly principal: string;
  readonly scopes: readonly Scope[];
  readonly pathPrefix: string;
  readonly expiresAtMs?: number | undefined;
  readonly quota?:
    { readonly bytes?: number | undefined; readonly sessions?: number | undefined } | undefined;
  /** Of a grant: the authorization that issued it, which it does not outlive and whose quota it uses, too. */
  readonly issuer?: { readonly id: string; readonly quota?: RecordedAuthorization['quota'] } | undefined;
}

/** How long the server keeps a session without requests: a long weekend and a sick week. */
export const DEFAULT_LEASE_MS = 7 * 24 * 3600 * 1000;
/** How long a session may take in all: a transfer that is resumed for longer than that is abandoned. */
export const DEFAULT_MAX_AGE_MS = 90 * 24 * 3600 * 1000;

/**
 * The record after an event, its version raised.
 *
 * @throws CairnError the code that the state table gives
 */
export function advance(
  record: SessionRecord,
  event: SessionEvent,
  changes: SessionChanges = {},
): SessionRecord {
  return { ...changed(record, changes), state: nextState(record, event) };
}

/** The record with some changes, its version raised. */
export function changed(record: SessionRecord, { pass, ...changes }: SessionChanges): SessionRecord {
  return {
    ...record,
    ...changes,
    pass: pass === undefined ? record.pass : { ...record.pass, ...pass },
    version: record.version + 1,
  };
}

/** The state after an event; throws the code that the state table gives. */
export function nextState(record: Pick<SessionRecord, 'state' | 'id'>, event: SessionEvent): SessionState {
  const next = transition(record.state, event);
  if ('state' in next) return next.state;
  throw new CairnError(
    next.refused,
    REFUSALS[next.refused] ?? `a session that is ${record.state} takes no ${event}`,
    {
      details: { state: record.state },
    },
  );
}

const REFUSALS: Readonly<Record<string, string>> = {
  'session-suspended': 'the session is suspended; resume it first',
  'session-aborted': 'the session was aborted; run the command again to start over',
  'session-expired': 'the session has expired; run the command again to start over',
};

/**
 * Refuses a request with another epoch or another credential than the session's.
 *
 * @throws CairnError `session-fenced` for another epoch, `session-credential` for a wrong credential,
 * `session-suspended` where the credentials are revoked
 */
export function checkFence(record: SessionRecord, epoch: number, credential: string): void {
  if (epoch !== record.epoch) {
    throw new CairnError('session-fenced', 'another client took over this transfer; this one stops', {
      details: { epoch, currentEpoch: record.epoch },
    });
  }
  if (record.credentialsRevoked === true) {
    throw new CairnError('session-suspended', 'the credentials of the session were revoked; resume it');
  }
  if (!isSecret(credential, record.credentialHash)) {
    throw new CairnError('session-credential', 'the session credential is not valid in this epoch');
  }
}

/** The lifetimes of sessions, in milliseconds. */
export interface Lifetimes {
  /** Since the last request. */
  readonly leaseMs: number;
  /** Since it was established, regardless of requests. */
  readonly maxAgeMs: number;
}

/** When the lease ends after a request at `touchedAtMs`, in milliseconds since 1970. */
export function leaseEnd(
  { createdAtMs }: Pick<SessionRecord, 'createdAtMs'>,
  touchedAtMs: number,
  { leaseMs, maxAgeMs }: Lifetimes,
): number {
  return Math.min(touchedAtMs + leaseMs, createdAtMs + maxAgeMs);
}

/** Whether a tree is being published, which the server finishes without its client. */
export function isPublishing({ state, pass }: Pick<SessionRecord, 'state' | 'pass'>): boolean {
  return state === 'committing' && bringsBytes(pass);
}

/** Whether the lease of a session has ended. */
export function isLeaseOver(record: SessionRecord, nowMs: number): boolean {
  return nowMs >= record.leaseExpiresAtMs;
}
