/** In place of `node:timers/promises`. */
import { realm } from './simulation.ts';

export function setTimeout<T>(
  delayMs: number,
  value?: T,
  options: { readonly signal?: AbortSignal } = {},
): Promise<T | undefined> {
  const { signal } = options;
  const { process } = realm;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.run = undefined;
      reject(new DOMException('The operation was aborted', 'AbortError'));
    };
    const timer = process.after(Math.max(1, delayMs), () => {
      signal?.removeEventListener('abort', onAbort);
      resolve(value);
    });
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}

export function setImmediate<T>(value?: T): Promise<T | undefined> {
  return new Promise((resolve) => {
    realm.process.after(0, () => resolve(value));
  });
}
