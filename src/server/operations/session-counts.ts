/** Counts the sessions in each state, on request. */
import type { SessionState } from '../../session/state.ts';
import type { SessionStore } from '../../storage/state/session-store.ts';

/** Counting takes at most one part in so many of the time, however many requests come. */
const COST_FACTOR = 20;

/** Makes a counter that counts again only once the last count is old enough for its cost. */
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
      goodUntilMs = Infinity; // requests meanwhile wait for this count
      running = count().catch((error: unknown) => {
        goodUntilMs = Number.NEGATIVE_INFINITY;
        throw error;
      });
    }
    return running;
  };
}
