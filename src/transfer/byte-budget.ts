/** A shared memory budget: each user reserves the most that it may need, and returns the surplus early. */

/** A reservation in a budget. */
export interface BudgetShare {
  /** Keeps only this many bytes of the reservation. */
  shrink(bytes: number): void;
  /** Returns the rest of the reservation; a second call does nothing. */
  release(): void;
}

/** Most bytes in use at a time. */
export interface ByteBudget {
  /** A reservation, or undefined where too few bytes are free. A request above the budget gets the whole budget. */
  tryTake(bytes: number): BudgetShare | undefined;
  /** A reservation as soon as the bytes are free, in the order of requests. @throws the signal's reason */
  take(bytes: number, signal?: AbortSignal): Promise<BudgetShare>;
}

/** Makes a budget. */
export function createByteBudget(totalBytes: number): ByteBudget {
  let freeBytes = totalBytes;
  const waiting: { readonly bytes: number; readonly give: () => void }[] = [];
  const giveBack = (bytes: number): void => {
    freeBytes += bytes;
    for (let next = waiting[0]; next !== undefined && next.bytes <= freeBytes; next = waiting[0]) {
      waiting.shift();
      next.give();
    }
  };
  const shareOf = (wanted: number): BudgetShare => {
    let bytes = wanted;
    freeBytes -= bytes;
    const shrink = (left: number): void => {
      const back = Math.max(0, bytes - left);
      bytes -= back;
      giveBack(back);
    };
    return { shrink, release: () => shrink(0) };
  };
  const tryTake = (wanted: number): BudgetShare | undefined => {
    const bytes = Math.min(wanted, totalBytes);
    return waiting.length === 0 && bytes <= freeBytes ? shareOf(bytes) : undefined;
  };
  return {
    tryTake,
    take: async (wanted, signal) => {
      signal?.throwIfAborted();
      const share = tryTake(wanted);
      if (share !== undefined) return share;
      const bytes = Math.min(wanted, totalBytes);
      return new Promise((resolve, reject) => {
        const entry = {
          bytes,
          give: () => {
            signal?.removeEventListener('abort', onAbort);
            resolve(shareOf(bytes));
          },
        };
        const onAbort = (): void => {
          waiting.splice(waiting.indexOf(entry), 1);
          reject(signal?.reason as Error);
          // The next request in the queue may need fewer bytes.
          giveBack(0);
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.push(entry);
      });
    },
  };
}
