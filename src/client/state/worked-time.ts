/** How long runs have worked on a transfer, the earlier ones included. */
import type { TransferRecord } from './transfer-record.ts';

/** The time of one transfer, as its folder counts it. */
export interface WorkedTime {
  /** In milliseconds; undefined for a transfer that an older cairn began, which did not count. */
  ms(): number | undefined;
  /** An earlier run, which could not write down its end, worked still at this moment (milliseconds since 1970). */
  lastSeen(atMs: number): void;
  /** Another transfer begins. */
  restart(): void;
}

/** What of a record tells how long runs worked on its transfer. */
type Timed = Pick<TransferRecord, 'durationMs' | 'updatedAt'>;

/** Begins to count the time of this run; `now` is a clock of milliseconds that never goes back. */
export function createWorkedTime(
  record: Timed | undefined,
  now: () => number = () => performance.now(),
): WorkedTime {
  let before = record === undefined ? 0 : record.durationMs;
  let beganAt = now();
  return {
    ms: () => (before === undefined ? undefined : Math.round(before + now() - beganAt)),
    lastSeen: (atMs) => {
      if (record !== undefined) before = workedUntil(record, atMs);
    },
    restart: () => {
      [before, beganAt] = [0, now()];
    },
  };
}

/**
 * Milliseconds that runs worked on a recorded transfer whose last sign of life was at `atMs` (since 1970); undefined where
 * the record does not tell.
 */
export function workedUntil({ durationMs, updatedAt }: Timed, atMs: number): number | undefined {
  if (durationMs === undefined) return undefined;
  return durationMs + Math.max(0, atMs - Date.parse(updatedAt));
}
