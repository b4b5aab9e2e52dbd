/** Tells requests that their session was ended by another node, which may free its documents while they read them. */
import { CairnError } from '../../../base/errors.ts';
import { nextState, type SessionRecord } from '../../../session/record.ts';
import { isTerminal, type SessionEvent } from '../../../session/state.ts';
import type { LiveSession } from './live-session.ts';

/** What a request does to its session, and whether other nodes may end it. */
interface Doing {
  readonly event: SessionEvent;
  readonly isShared: boolean;
}

/**
 * Runs the work of a request. Where it fails, and the session has ended meanwhile, the end is the reason.
 *
 * @throws CairnError what the work throws; `session-aborted`, `session-expired`, `session-state`, `session-not-found`
 */
export async function tellingItsEnd<T>(
  { record }: Pick<LiveSession, 'record'>,
  { event, isShared }: Doing,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // The end that a request brings about itself may fail half-way.
    if (isShared && event !== 'abort') {
      const now = await record.refresh().catch((failure: unknown): SessionRecord => {
        if (failure instanceof CairnError && failure.code === 'session-not-found') throw failure;
        return record.value; // the store fails, and the first error says so
      });
      if (isTerminal(now.state)) nextState(now, event);
    }
    throw error;
  }
}
