/** How many sessions are in which state, counted when somebody asks. */
import type { SessionState } from '../../session/state.ts';
import type { SessionStore } from '../../storage/state/session-store.ts';

/** Counting takes at most one part in so many of the time, however often somebody asks. */
const COST_FACTOR = 20;

/** A count that is taken again once the last one is old enough for what it cost. */
export function createSessionCounts(
  sessions: Pick<SessionStore, 'list'>,
): () => Promise<ReadonlyMap<SessionState, number>> {
  let running: Promise<ReadonlyMap<SessionState, number>> | undefined;
  let goodUntilMs = Number.NEGATIVE_INFINITY;
  const count = async (): Promise<ReadonlyMap<SessionState, number>> => {
    const startMs = performance.now();
    const counts = new Map<SessionState, number>();
    for await (const { state } of sessions.list()) counts.set(state, (counts.get(state) ?? 0) + 1);
    const endMs = performance.now();
    goodUntilMs = endMs + (endMs - startMs) * COST_FACTOR;
    return counts;
  };
  return () => {
    if (running === undefined || performance.now() >= goodUntilMs) {
      goodUntilMs = Infinity; // whoever asks meanwhile waits for this count
      running = count().catch((error: unknown) => {
        goodUntilMs = Number.NEGATIVE_INFINITY;
        throw error;
      });
    }
    return running;
  };
}
