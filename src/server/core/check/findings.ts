/** What a check of a server's state can find, and its totals. */
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
  | 'content-missing'
  | 'page-damaged'
  | 'objects-unused'
  | 'object-stray'
  | 'not-checked';

/**
 * How a finding ended. `repaired`: all is well again. `lost`: it cannot be repaired; its useless rest was freed.
 * `untouched`: this version cannot repair it and left it as it is. `failed`: the storage refused to have it checked
 * or repaired. `note`: nothing is wrong.
 */
export type FindingOutcome = 'repaired' | 'lost' | 'untouched' | 'failed' | 'note';

/** One thing that was found. Texts are for people, and printable. */
export interface Finding {
  readonly kind: FindingKind;
  readonly outcome: FindingOutcome;
  /** Id of the session, where the finding is about one. */
  readonly session: string | undefined;
  /** Path of the session's target, where it is known. It comes from a client: make it printable before you show it. */
  readonly target: string | undefined;
  readonly problem: string;
  /** What the check did, or would do, as a participle; empty where it does nothing. */
  readonly remedy: string;
  /** Of `failed`: the code of the storage's error. */
  readonly code?: ErrorCode;
}

/** What a check looked at and found, in all. */
export interface CheckTotals {
  sessions: number;
  /** Durable chunks that were hashed and found right, and their bytes. */
  chunks: number;
  bytes: number;
  readonly found: Record<FindingOutcome, number>;
}

/** Totals of zero. */
export function noTotals(): CheckTotals {
  const found = { repaired: 0, lost: 0, untouched: 0, failed: 0, note: 0 };
  return { sessions: 0, chunks: 0, bytes: 0, found };
}
