/** Watching where nothing tells of changes: by looking again and again. */
import { setTimeout as sleep } from 'node:timers/promises';

/** By what a key's document is known from the one before and the one after it. */
type Tags = ReadonlyMap<string, string>;

/**
 * See `StateStore.watch`: calls `look` every `lookEveryMs`, without keeping the process alive, and tells what differs from
 * the look before. Ends with what `look` throws.
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
