/** A session store that tells a tally of every record that goes through it. */
import type { SessionRecord } from '../../../session/record.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import { createTally, type SessionTally } from './session-tally.ts';

/** A tally that may have to look at all records first. */
export interface StoreTally extends SessionTally {
  /** Resolves when every record has been seen once. @throws CairnError, storage codes */
  ready(): Promise<void>;
}

/** The same store, and a tally of what is in it; what other processes change is seen when the records are listed. */
export function tallied(
  store: SessionStore,
  now: () => number,
): { readonly store: SessionStore; readonly tally: StoreTally } {
  const tally = createTally(now);
  const arriving = new Set<string>();
  let isComplete = false;
  const list = async function* (): AsyncGenerator<SessionRecord> {
    // What is about to be there may not be listed yet.
    const unseen = new Set([...tally.ids()].filter((id) => !arriving.has(id)));
    for await (const record of store.list()) {
      unseen.delete(record.id);
      tally.note(record);
      yield record;
    }
    for (const id of unseen) tally.forget(id);
    isComplete = true;
  };
  let seeing: Promise<void> | undefined;
  const seeAll = async (): Promise<void> => {
    for await (const _ of list()) {
      // Seeing it was all.
    }
  };
  const ready = async (): Promise<void> => {
    if (isComplete) return;
    seeing ??= seeAll().finally(() => (seeing = undefined));
    await seeing;
  };
  const counting: SessionStore = {
    properties: store.properties,
    // Counted before it is there: of two that ask at the same time the second finds the first.
    create: async (record) => {
      const isNew = !tally.has(record.id);
      if (isNew) tally.note(record);
      arriving.add(record.id);
      try {
        await store.create(record);
      } catch (error) {
        if (isNew) tally.forget(record.id);
        throw error;
      } finally {
        arriving.delete(record.id);
      }
    },
    get: (id) => store.get(id),
    replace: async (next) => {
      const isReplaced = await store.replace(next);
      if (isReplaced) tally.note(next);
      return isReplaced;
    },
    find: (query) => store.find(query),
    list,
    remove: async (id) => {
      await store.remove(id);
      tally.forget(id);
    },
  };
  return { store: counting, tally: { ...tally, ready } };
}
