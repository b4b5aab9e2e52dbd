/** Moves the lives of all sessions along with a wall clock that jumped, so that none of them becomes longer or shorter. */
import { isTerminal } from '../../session/state.ts';
import type { SessionContext } from '../server-context.ts';
import type { LiveSessions } from './live-sessions.ts';
import { sideBySide } from './side-by-side.ts';

/** Less than this is no jump: clocks are adjusted all the time. */
const MIN_JUMP_MS = 60_000;
const MOVED_AT_A_TIME = 8;

/** Looks whether the wall clock has jumped, and follows it. */
export async function followWallClock(context: SessionContext, live: LiveSessions): Promise<void> {
  const { clock, log, sessions } = context;
  if (Math.abs(clock.driftMs()) < MIN_JUMP_MS) return;
  await clock.follow(async (jumpMs) => {
    log.warn({ jumpMs }, 'the clock of this machine jumped; the lives of all sessions are moved along');
    await sideBySide(sessions.list(), MOVED_AT_A_TIME, async ({ id, state }) => {
      if (isTerminal(state)) return;
      try {
        await live.use(id, (session) => session.record.moveInTime(jumpMs));
      } catch (error) {
        log.error({ session: id, err: error }, 'a session could not be moved along with the clock');
      }
    });
  });
}
