/** The clock of a store that many nodes share: the ages of sessions must not depend on which node looks at them. */
import type { SteadyClock } from './clock.ts';

/** A {@link SteadyClock} that follows only its store. */
export interface StoreClock extends SteadyClock {
  /**
   * Asks the store for its time; in between a clock of this machine goes on that does not jump. @throws CairnError
   * storage codes
   */
  ask(): Promise<void>;
}

/**
 * Makes a clock that agrees with that of a store. It never runs ahead of it, since a question takes time.
 *
 * @param elapsed milliseconds since some moment; they only grow
 * @throws CairnError storage codes
 */
export async function openStoreClock(
  askStore: () => Promise<number>,
  elapsed: () => number,
): Promise<StoreClock> {
  let baseMs = 0;
  const ask = async (): Promise<void> => {
    const storeMs = await askStore();
    baseMs = storeMs - elapsed();
  };
  await ask();
  return {
    ask,
    now: () => Math.round(baseMs + elapsed()),
    driftMs: () => 0,
    follow: async () => undefined,
    isJudging: () => true,
  };
}
