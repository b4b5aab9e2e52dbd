/** Work that waits for its turn: one piece at a time, in the order in which the pieces came. */

/** Runs work once all earlier work has ended, with or without an error. Answers, or throws, as the work does. */
export type Mutex = <T>(work: () => Promise<T>) => Promise<T>;

/** Makes a mutex. */
export function createMutex(): Mutex {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined); // the caller of that turn gets the error
    return turn;
  };
}

/** A mutex for each key: work on different keys goes on side by side. */
export type KeyedMutex = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Makes a keyed mutex; it keeps nothing of a key without work. */
export function createKeyedMutex(): KeyedMutex {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work);
    const settled = turn
      .catch(() => undefined) // the caller of that turn gets the error
      .finally(() => {
        if (last.get(key) === settled) last.delete(key);
      });
    last.set(key, settled);
    return turn;
  };
}
