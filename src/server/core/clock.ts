/**
 * The clock that sessions live by. The wall clock may jump: it is set by hand, by a time server after a start without a
 * battery, by the host of a virtual machine. Lifetimes are measured by a clock that does not, and follow the wall clock
 * only when everything that was measured is moved along, see `sessions/clock-jump.ts`.
 *
 * A start may find the wall clock wrong before anybody has set it. Time never goes back over a restart: one before the
 * server was last seen goes on from there, until the wall clock has caught up. One long after it may be true, or a clock
 * that runs ahead: for some minutes nothing is judged by its age, and a jump back is believed.
 */

/** What a clock is made of; milliseconds. */
export interface ClockSources {
  /** Milliseconds since 1970, as the system believes now. */
  readonly wall: () => number;
  /** Milliseconds since some moment, which only ever grow. */
  readonly elapsed: () => number;
}

/** Tells the time without jumps. */
export interface SteadyClock {
  /** Milliseconds since 1970, as the wall clock would say had it not jumped. */
  now(): number;
  /** How far the clock to follow is ahead of that. */
  driftMs(): number;
  /** Agrees with the wall clock from now on; `move` moves what was measured before by as much as it is given. */
  follow(move: (jumpMs: number) => Promise<void>): Promise<void>;
  /** Whether ages mean anything: not while it follows, nor in the first minutes after a start that came late. */
  isJudging(): boolean;
}

/** A server that was away for so long may be one whose clock runs ahead. */
const LONG_AWAY_MS = 3_600_000;
/** Time servers set a clock within so long after a start. */
const SETTLING_MS = 5 * 60_000;
/** Whoever leaves a clock behind for so long means it. */
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
      // What is older than this start was measured before the clock ran ahead, and is right.
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
