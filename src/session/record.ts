/** What is known of a session, wherever it is kept, and the rules by which it changes. */
import { CairnError, type ErrorCode } from '../base/errors.ts';
import type { DigestAlgorithm } from '../manifest/digest.ts';
import type { ChunkEncoding } from './encoding.ts';
import type { SyncMode } from './sync-mode.ts';
import { isSecret } from './credential.ts';
import type { CredentialHashes } from './credential-rotation.ts';
import type { Moment } from './history.ts';
import type { Publisher } from './publisher.ts';
import type { Scope } from './scopes.ts';
import { transition, type SessionEvent, type SessionState } from './state.ts';

/** The durable record of one session. Plain JSON; replaced as a whole by compare-and-set on `version`. */
export interface SessionRecord extends CredentialHashes {
  readonly id: string;
  /** Raised by one with every change; what compare-and-set compares. */
  readonly version: number;
  /** Who established it: the id of an access token's owner. */
  readonly principal: string;
  /** What it was last established, resumed or renewed with. Missing in old records, which have to be resumed. */
  readonly authorization?: RecordedAuthorization | undefined;
  readonly direction: 'push' | 'pull';
  /** Safe relative path below the content root; empty for the root itself. */
  readonly target: string;
  readonly digest: DigestAlgorithm;
  readonly chunkSizeBytes: number;
  readonly parallel: number;
  /** When the server makes sync points of a push. Missing in a pull, and in old records, where it means `group`. */
  readonly sync?: SyncMode | undefined;
  /** Of a push: whether modes are taken over whatever the umask says. */
  readonly preserveModes?: boolean | undefined;
  /** Of a push: whether something was at the target when it was established, which keeps its mode. */
  readonly keepsTarget?: boolean | undefined;
  /** In what encodings chunks may come and go in this epoch, besides as they are. */
  readonly encodings?: readonly ChunkEncoding[] | undefined;
  /** The last sync point before the session was let go of in memory; its numbers go on in the same epoch. */
  readonly durableSyncPoint?: number | undefined;
  readonly state: SessionState;
  /** Fencing token: requests of an older epoch are refused. */
  readonly epoch: number;
  readonly manifestId: string | null;
  /** The server process that holds what is not durable yet; null where nobody does. */
  readonly holder: string | null;
  readonly createdAtMs: number;
  /** When the lease ends, unless the session is touched before. */
  readonly leaseExpiresAtMs: number;
  /** What the client asked to commit: kept so that a restart in the middle finishes it. */
  readonly commit: {
    readonly digest: string;
    readonly bytesTotal: number;
    readonly excluded: readonly number[];
    /** Entries of the manifest, which a repeated commit is told when the manifest is gone. */
    readonly entriesTotal: number;
    /** Whether entries that cannot be published are left out, and whether directories give way with all that is in them. */
    readonly leaveOut?: boolean | undefined;
    readonly forceReplace?: boolean | undefined;
    /** Of a committed push: what was left out, by code, in runs; and how many entries beside those. */
    readonly unpublished?:
      readonly { readonly code: string; readonly entries: readonly number[] }[] | undefined;
    readonly unlisted?: number | undefined;
  } | null;
  /** Where many nodes see the record: which one carries out the commit, or did. */
  readonly publisher?: Publisher | undefined;
  /** Payload bytes of the agreed plan, and how many of them a sync point covered when that was last written down. */
  readonly bytesTotal?: number | undefined;
  readonly bytesDone?: number | undefined;
  /** Of a push with a manifest: bytes of that, its entries, and bytes of the targets of links that are carried. */
  readonly manifestBytes?: number | undefined;
  readonly entries?: number | undefined;
  readonly linkBytes?: number | undefined;
  /** What a request of it last failed with, as far as that was written down together with something else. */
  readonly lastError?: SessionFailure | undefined;
  readonly history?: readonly Moment[] | undefined;
}

/** What a request of a session, or its commit, failed with. */
export interface SessionFailure {
  readonly atMs: number;
  readonly code: ErrorCode;
  /** Printable, without secrets. */
  readonly message: string;
}

/** What a session may do, as its server has granted it. */
export interface RecordedAuthorization {
  readonly id: string;
  readonly principal: string;
  readonly scopes: readonly Scope[];
  readonly pathPrefix: string;
  readonly expiresAtMs?: number | undefined;
  readonly quota?:
    { readonly bytes?: number | undefined; readonly sessions?: number | undefined } | undefined;
  /** Of a grant: the id of what it was issued with, which it does not outlive, and whose quota it uses, too. */
  readonly issuer?: { readonly id: string; readonly quota?: RecordedAuthorization['quota'] } | undefined;
}

/** How long a session that nobody touches is kept: a long weekend and a sick week. */
export const DEFAULT_LEASE_MS = 7 * 24 * 3600 * 1000;
/** How long a session may take in all: a transfer that is resumed for longer than that is nobody's any more. */
export const DEFAULT_MAX_AGE_MS = 90 * 24 * 3600 * 1000;

/**
 * The record after an event, its version raised.
 *
 * @throws CairnError the code that the state table gives
 */
export function advance(
  record: SessionRecord,
  event: SessionEvent,
  changes: Partial<SessionRecord> = {},
): SessionRecord {
  return { ...record, ...changes, state: nextState(record, event), version: record.version + 1 };
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
 * Refuses a request that another epoch or another credential than the session's sends.
 *
 * @throws CairnError `session-fenced` for an older epoch, `session-credential` for a wrong credential,
 * `session-suspended` where nobody's is good any more
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

/** How long sessions live, in milliseconds. */
export interface Lifetimes {
  /** Since anybody touched it. */
  readonly leaseMs: number;
  /** Since it was established, however often it is touched. */
  readonly maxAgeMs: number;
}

/** When the lease of a session ends that was touched at a time, in milliseconds since 1970. */
export function leaseEnd(
  { createdAtMs }: Pick<SessionRecord, 'createdAtMs'>,
  touchedAtMs: number,
  { leaseMs, maxAgeMs }: Lifetimes,
): number {
  return Math.min(touchedAtMs + leaseMs, createdAtMs + maxAgeMs);
}

/** Whether the lease of a session has ended. */
export function isLeaseOver(record: SessionRecord, nowMs: number): boolean {
  return nowMs >= record.leaseExpiresAtMs;
}
