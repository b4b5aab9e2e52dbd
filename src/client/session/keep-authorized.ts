/** Shows the server a new access token before the one in whose name a session goes on is over. */
import type { Access } from '../http/access.ts';
import { heartbeat, type SessionAccess } from './session-calls.ts';

/** The share of the time that a token has left after which it is asked for again. */
const RENEW_AFTER = 0.75;
const MIN_DELAY_MS = 250;
/** The longest that a timer of Node can wait. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Watches over the authorization of one session. */
export interface AuthorizationKeeper {
  /** The session is authorized for so long from now on; undefined: as long as it lives. */
  authorizedFor(ms: number | undefined): void;
  /** Whether that time is over, and requests would be refused. */
  isOver(): boolean;
}

/**
 * Starts to watch; ends with `signal`. What fails here costs nothing: a request that is refused for its token makes the
 * session resume with a new one.
 */
export function keepAuthorized(
  access: Access,
  session: () => SessionAccess,
  signal: AbortSignal,
): AuthorizationKeeper {
  let timer: NodeJS.Timeout | undefined;
  let endsAtMs = Infinity;
  const wait = (leftMs: number): void => {
    clearTimeout(timer);
    if (signal.aborted || leftMs <= 0) return;
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(MIN_DELAY_MS, leftMs * RENEW_AFTER));
    timer = setTimeout(() => void renew(), delayMs);
    timer.unref();
  };
  const renew = async (): Promise<void> => {
    const before = endsAtMs;
    try {
      const headers = await access.renewed();
      const reply = headers === undefined ? undefined : await heartbeat(session(), headers);
      if (reply !== undefined) keeper.authorizedFor(reply.authorizedForMs);
      else if (endsAtMs === before) wait(endsAtMs - performance.now());
    } catch {
      // The next request finds out, and knows what to do.
      if (endsAtMs === before) wait(endsAtMs - performance.now());
    }
  };
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  const keeper: AuthorizationKeeper = {
    authorizedFor: (ms) => {
      clearTimeout(timer);
      endsAtMs = performance.now() + (ms ?? Infinity);
      if (ms !== undefined) wait(ms);
    },
    isOver: () => performance.now() >= endsAtMs,
  };
  return keeper;
}
