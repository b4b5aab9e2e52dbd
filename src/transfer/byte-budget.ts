/** Memory that many share: each takes as much as it may need, gives back what it did not, and in the end the rest. */

/** A part of a budget. */
export interface BudgetShare {
  /** Keeps only so many bytes of it. */
  shrink(bytes: number): void;
  /** Gives back what is left of it; more than once is as good as once. */
  release(): void;
}

/** A number of bytes that is in use at a time at most. */
export interface ByteBudget {
  /** A share, or undefined where so much is not free. What is larger than the budget is given all of it. */
  tryTake(bytes: number): BudgetShare | undefined;
  /** A share as soon as it is free, in the order of asking. @throws the signal's reason */
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
          // The one that waits behind it may want less.
          giveBack(0);
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.push(entry);
      });
    },
  };
}
