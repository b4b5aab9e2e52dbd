/** A session store that passes every record to a tally. */
import type { SessionRecord } from '../../../session/record.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import { createTally, type SessionTally, type WritableTally } from './session-tally.ts';

/** A tally that may have to read all records first. */
export interface StoreTally extends SessionTally, Pick<WritableTally, 'noteElsewhere'> {
  /** Resolves when it has seen every record once. @throws CairnError, storage codes */
  ready(): Promise<void>;
}

/** The same store with a tally of its records; listing the records shows the changes of other processes. */
export function tallied(
  store: SessionStore,
  now: () => number,
): { readonly store: SessionStore; readonly tally: StoreTally } {
  const tally = createTally(now);
  const arriving = new Set<string>();
  let isComplete = false;
  const list = async function* (): AsyncGenerator<SessionRecord> {
    // A record that is being created may not be listed yet.
    const unseen = new Set([...tally.ids()].filter((id) => !arriving.has(id) && !tally.isOnlyTold(id)));
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
      // The caller only wants the tally to see all records.
    }
  };
  const ready = async (): Promise<void> => {
    if (isComplete) return;
    seeing ??= seeAll().finally(() => (seeing = undefined));
    await seeing;
  };
  const counting: SessionStore = {
    properties: store.properties,
    // Counted before it is created: of two that ask at the same time the second one sees the first.
    create: async (record) => {
      const isNew = !tally.has(record.id) || tally.isOnlyTold(record.id);
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
    recent: (known) => store.recent?.(known) ?? store.get(known.id),
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
