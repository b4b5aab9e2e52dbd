/**
 * The clock of session lifetimes. The wall clock may jump; this clock does not, and follows the wall clock only when
 * all measured times are moved with it, see `sessions/clock-jump.ts`.
 *
 * After a restart time never goes back: a wall clock that is behind is followed once it has caught up. One that is
 * far ahead may be right or wrong: for some minutes nothing is judged by its age, and a jump back is believed.
 */

/** The two clocks under a steady one; milliseconds. */
export interface ClockSources {
  /** Milliseconds since 1970, by the system's clock. */
  readonly wall: () => number;
  /** Milliseconds since some moment; they only grow. */
  readonly elapsed: () => number;
}

/** Tells the time without jumps. */
export interface SteadyClock {
  /** Milliseconds since 1970, as the wall clock would say had it not jumped. */
  now(): number;
  /** How far the wall clock, as far as it is believed, is ahead of that. */
  driftMs(): number;
  /** Agrees with the wall clock from now on; `move` moves all measured times by the same jump. */
  follow(move: (jumpMs: number) => Promise<void>): Promise<void>;
  /** Whether ages mean anything: not during `follow`, and not in the first minutes after a long absence. */
  isJudging(): boolean;
}

/** After an absence this long the clock may be wrong, and run ahead. */
const LONG_AWAY_MS = 3_600_000;
/** Time servers set a clock within this time after a start. */
const SETTLING_MS = 5 * 60_000;
/** After a day a clock that is behind is believed: its owner means it. */
const BELIEVED_AFTER_MS = 24 * 3_600_000;

/** Makes a clock that agrees with the wall clock now, unless a server before it was last seen later. */
export function createSteadyClock({ wall, elapsed }: ClockSources, lastSeenMs?: number): SteadyClock {
  const startMs = elapsed();
  const isLate = lastSeenMs !== undefined && wall() - lastSeenMs > LONG_AWAY_MS;
  const isSettling = (): boolean => isLate && elapsed() - startMs < SETTLING_MS;
  const wanted = (): number => {
    const upMs = elapsed() - startMs;
    if (lastSeenMs === undefined || upMs > BELIEVED_AFTER_MS) return wall();
    return Math.max(wall(), lastSeenMs + upMs);
  };
  let baseMs = wanted() - startMs;
  let isFollowing = false;
  const driftMs = (): number => wanted() - elapsed() - baseMs;
  return {
    now: () => Math.round(baseMs + elapsed()),
    driftMs,
    follow: async (move) => {
      const jumpMs = Math.round(driftMs());
      // Times before this start were measured before the clock ran ahead, and are right.
      const movedMs = jumpMs < 0 && isSettling() ? 0 : jumpMs;
      isFollowing = true;
      baseMs += jumpMs;
      try {
        await move(movedMs);
      } finally {
        isFollowing = false;
      }
    },
    isJudging: () => !isFollowing && !isSettling(),
  };
}

/** The clocks of this system. */
export const SYSTEM_CLOCKS: ClockSources = { wall: Date.now, elapsed: () => performance.now() };
