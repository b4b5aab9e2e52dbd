/** Watches a store that reports no changes: by looking again and again. */
import { setTimeout as sleep } from 'node:timers/promises';

/** For each key, a text that differs between one version of its document and the next. */
type Tags = ReadonlyMap<string, string>;

/**
 * See `StateStore.watch`: calls `look` every `lookEveryMs`, without keeping the process alive, and yields the
 * differences from the look before. Ends with the error of `look`.
 */
export async function* watchByLooking(
  look: () => Promise<Tags>,
  { signal, lookEveryMs }: { readonly signal: AbortSignal; readonly lookEveryMs: number },
): AsyncGenerator<readonly string[]> {
  let seen = await look();
  if (!signal.aborted) yield [];
  while (await waitFor(lookEveryMs, signal)) {
    const now = await look();
    const changed = [...now].filter(([key, tag]) => seen.get(key) !== tag).map(([key]) => key);
    const gone = [...seen.keys()].filter((key) => !now.has(key));
    seen = now;
    if (changed.length + gone.length > 0) yield [...changed, ...gone].toSorted();
  }
}

/** Waits without keeping the process alive; false where the signal came first. */
export async function waitFor(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(milliseconds, undefined, { signal, ref: false });
    return true;
  } catch {
    return false; // nothing but the signal ends a timer
  }
}
