/** The lifetimes of sessions and their records, by a clock without jumps. */
import type { Lifetimes } from '../../../session/record.ts';

/** The clock of sessions, and their times in milliseconds. */
export interface SessionTimes extends Lifetimes {
  /** Milliseconds since 1970, on a clock without jumps. */
  readonly now: () => number;
  /** Whether ages mean anything: not while a jump of the clock is followed. */
  readonly isJudging: () => boolean;
  /** How long the record of a session that was aborted or expired is kept. */
  readonly keepEndedMs: number;
  /** How long the record of a committed session is kept. */
  readonly keepCommittedMs: number;
}
