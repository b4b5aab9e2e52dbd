/** What a check of a server's state can find, and how it adds up. */
import type { ErrorCode } from '../../../base/errors.ts';
import type { IncidentKind } from '../../../storage/incident.ts';

/** What was found. */
export type FindingKind =
  | IncidentKind
  | 'staging-missing'
  | 'manifest-missing'
  | 'manifest-unreadable'
  | 'manifest-foreign'
  | 'manifest-newer'
  | 'plan-missing'
  | 'plan-unreadable'
  | 'identities-missing'
  | 'identities-unreadable'
  | 'digests-unreadable'
  | 'journal-newer'
  | 'chunks-wrong'
  | 'committing'
  | 'lease-over'
  | 'session-ended'
  | 'staging-orphaned'
  | 'not-checked';

/**
 * What became of it. `repaired`: all is well again. `lost`: it cannot be repaired; what was of no use any more was
 * freed. `untouched`: it cannot be repaired by this version, and was left as it is. `failed`: the storage did not let it
 * be looked at or repaired. `note`: nothing is wrong.
 */
export type FindingOutcome = 'repaired' | 'lost' | 'untouched' | 'failed' | 'note';

/** One thing that was found. Texts are for people, and printable. */
export interface Finding {
  readonly kind: FindingKind;
  readonly outcome: FindingOutcome;
  /** Id of the session, where it is one's. */
  readonly session: string | undefined;
  /** Path of the session's target, where that is known. It comes from a client: make it printable before it is shown. */
  readonly target: string | undefined;
  readonly problem: string;
  /** What was done about it, or would be, as a participle; empty where that is nothing. */
  readonly remedy: string;
  /** Of `failed`: what the storage said. */
  readonly code?: ErrorCode;
}

/** What a check looked at and found, in all. */
export interface CheckTotals {
  sessions: number;
  /** Durable chunks that were hashed and are right, and their bytes. */
  chunks: number;
  bytes: number;
  readonly found: Record<FindingOutcome, number>;
}

/** Nothing yet. */
export function noTotals(): CheckTotals {
  const found = { repaired: 0, lost: 0, untouched: 0, failed: 0, note: 0 };
  return { sessions: 0, chunks: 0, bytes: 0, found };
}
