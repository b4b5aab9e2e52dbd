/** Moves the times of all sessions when the wall clock jumps, so that no session lives longer or shorter. */
import type { SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { Logger } from '../../../base/logger.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { SteadyClock } from '../clock.ts';
import type { LastSeen } from '../last-seen.ts';
import type { SessionTally } from '../quota/session-tally.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { SessionTimes } from './session-times.ts';
import { sideBySide } from '../../../base/side-by-side.ts';

/** Less than this is no jump: clocks are adjusted all the time. */
const MIN_JUMP_MS = 60_000;
const MOVED_AT_A_TIME = 8;
/** A killed server was there for at most this long after it was last seen. */
const NOTED_EVERY_MS = 60_000;

/** The parts that move with a clock. */
interface Movable {
  readonly clock: SteadyClock;
  readonly times: SessionTimes;
  readonly sessions: Pick<SessionStore, 'list'>;
  readonly live: LiveSessions;
  readonly log: Logger;
}

/** Checks whether the wall clock has jumped, and follows it. */
export async function followWallClock({ clock, times, sessions, live, log }: Movable): Promise<void> {
  if (Math.abs(clock.driftMs()) < MIN_JUMP_MS) return;
  await clock.follow(async (jumpMs) => {
    log.warn({ jumpMs }, 'the clock of this machine jumped; the times of all sessions are moved by as much');
    await sideBySide(sessions.list(), MOVED_AT_A_TIME, async (record) => {
      if (!isToMove(times, record, jumpMs)) return;
      const { id } = record;
      try {
        await live.use(id, (session) => session.record.moveInTime(jumpMs));
      } catch (error) {
        log.error({ session: id, err: error }, 'the times of a session could not be moved with the clock');
      }
    });
  });
}

/** An ended session is only kept for a while: that time is cut where its clock ran ahead, and never moved. */
function isToMove(
  { now, keepEndedMs, keepCommittedMs, leaseMs }: SessionTimes,
  { state, createdAtMs, leaseExpiresAtMs }: SessionRecord,
  jumpMs: number,
): boolean {
  const isOver = isTerminal(state);
  if (isOver) return leaseExpiresAtMs > now() + Math.max(keepEndedMs, keepCommittedMs);
  return jumpMs !== 0 || createdAtMs > now() || leaseExpiresAtMs > now() + leaseMs;
}

/** Saves now and then, for the next start, that the server is there. */
export function noteLastSeen({
  clock,
  lastSeen,
  tally,
  log,
}: {
  readonly clock: SteadyClock;
  readonly lastSeen: LastSeen;
  readonly tally: Pick<SessionTally, 'mostSessions'>;
  readonly log: Logger;
}): (isLast?: boolean) => Promise<void> {
  let notedMs: number | undefined;
  return async (isLast = false) => {
    // A clock that may run ahead is not saved, and a server without sessions has nothing to protect.
    if (!clock.isJudging() || tally.mostSessions('all') === 0) return;
    const nowMs = clock.now();
    if (!isLast && notedMs !== undefined && Math.abs(nowMs - notedMs) < NOTED_EVERY_MS) return;
    notedMs = nowMs;
    try {
      await lastSeen.save(nowMs);
    } catch (error) {
      log.warn(
        { err: error },
        'the time at which this server was last there could not be saved; it tries again',
      );
    }
  };
}
