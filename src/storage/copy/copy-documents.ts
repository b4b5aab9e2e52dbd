/** Copies the documents that servers keep beside sessions: tokens, grants, keys, the use of quotas. */
import { CairnError } from '../../base/errors.ts';
import type { StateStore } from '../state/state-store.ts';

const DOCUMENTS = 'a/';
/** When a server was last seen says nothing of another one. */
const NOT_COPIED = new Set(['a/last-seen']);

/** Makes those of `to` the same as those of `from`; answers how many there are. @throws CairnError storage codes */
export async function copyDocuments(from: StateStore, to: StateStore): Promise<number> {
  const keys = new Set<string>();
  for await (const { key, text } of from.list(DOCUMENTS)) {
    if (NOT_COPIED.has(key)) continue;
    keys.add(key);
    const there = await to.get(key);
    if (there?.text === text) continue;
    if ((await to.compareAndSet(key, there?.version ?? null, text)) === undefined)
      throw new CairnError('server-busy', `another process changes "${to.where(key)}" at the same time`);
  }
  for await (const { key } of to.list(DOCUMENTS))
    if (!keys.has(key) && !NOT_COPIED.has(key)) await to.remove(key);
  return keys.size;
}
