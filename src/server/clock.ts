/**
 * The clock that sessions live by. The wall clock may jump: it is set by hand, by a time server after a start without a
 * battery, by the host of a virtual machine. Lifetimes are measured by a clock that does not, and follow the wall clock
 * only when everything that was measured is moved along, see `sessions/clock-jump.ts`.
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
  /** How far the wall clock is ahead of that. */
  driftMs(): number;
  /** Agrees with the wall clock from now on; `move` moves what was measured before by as much. */
  follow(move: (jumpMs: number) => Promise<void>): Promise<void>;
  /** Whether that is under way: nothing may be judged by its age. */
  isFollowing(): boolean;
}

/** Makes a clock that agrees with the wall clock now. */
export function createSteadyClock({ wall, elapsed }: ClockSources): SteadyClock {
  let baseMs = wall() - elapsed();
  let isFollowing = false;
  const driftMs = (): number => wall() - elapsed() - baseMs;
  return {
    now: () => Math.round(baseMs + elapsed()),
    driftMs,
    follow: async (move) => {
      const jumpMs = Math.round(driftMs());
      isFollowing = true;
      baseMs += jumpMs;
      try {
        await move(jumpMs);
      } finally {
        isFollowing = false;
      }
    },
    isFollowing: () => isFollowing,
  };
}

/** The clocks of this system. */
export const SYSTEM_CLOCKS: ClockSources = { wall: Date.now, elapsed: () => performance.now() };
