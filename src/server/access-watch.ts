/** Ends the work of authorizations that were revoked or have expired. */
import { CairnError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Authorization } from '../session/authorization.ts';
import type { CheckStands } from './core/sessions/admission.ts';
import type { LiveSessions } from './core/sessions/live-sessions.ts';
import { suspendUnauthorized } from './core/sessions/suspending.ts';
import type { Answering } from './http/answering.ts';

/** How often running work is checked: a revoked token stops its transfers within two seconds. */
const LOOK_EVERY_MS = 500;

interface Watched {
  readonly live: LiveSessions;
  /** Requests outside of sessions whose answers are not over. */
  readonly answering: Answering;
  readonly checkStands: CheckStands;
  readonly log: Logger;
}

/** A running check of authorizations. */
export interface Watch {
  stop(): Promise<void>;
}

/**
 * Checks the sessions with requests in flight, and the other requests that are being answered, for as long as there are
 * any: an idle server has no timer for it. The timer does not keep the process alive.
 */
export function watchAuthorizations({ live: sessions, answering, checkStands, log }: Watched): Watch {
  let running: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    answering.endWhere((authorization) => endedError(checkStands, authorization));
    const atWork = await sessions.atWork();
    for (const live of atWork)
      // oxlint-disable-next-line no-await-in-loop -- few end at a time, and each of them syncs
      await suspendUnauthorized(live, (authorization) => endedError(checkStands, authorization), log);
    timer = undefined;
    if (atWork.length > 0 || answering.size > 0) wake();
  };
  const wake = (): void => {
    if (isStopped || timer !== undefined) return;
    timer = setTimeout(() => {
      running = look().catch((error: unknown) => {
        timer = undefined;
        log.error({ err: error }, 'watching over authorizations failed');
      });
    }, LOOK_EVERY_MS);
    timer.unref();
  };
  sessions.onUse(wake);
  answering.onNote(wake);
  return {
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Why an authorization has ended; undefined while it is valid. */
function endedError(checkStands: CheckStands, authorization: Authorization): CairnError | undefined {
  try {
    checkStands(authorization, true);
    return undefined;
  } catch (error) {
    if (error instanceof CairnError) return error;
    throw error;
  }
}
