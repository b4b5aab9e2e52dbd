/** Sessions whose newest versions nodes tell each other, so that a request that only reads need not read the record again. */
import type { SessionStore } from './session-store.ts';
import type { SharedMemory } from './shared-memory.ts';

/** The same sessions, with `recent`. Only numbers go into the memory: what a record says, the store alone can say. */
export function withRecentVersions(
  sessions: SessionStore,
  memory: Pick<SharedMemory, 'noteVersion' | 'versionOf'>,
): SessionStore {
  const get: SessionStore['get'] = async (id) => {
    const record = await sessions.get(id);
    if (record !== undefined) void memory.noteVersion(id, record.version);
    return record;
  };
  return {
    properties: sessions.properties,
    create: async (record) => {
      await sessions.create(record);
      await memory.noteVersion(record.id, record.version);
    },
    get,
    recent: async (known) => {
      const version = await memory.versionOf(known.id);
      return version === undefined || version > known.version ? get(known.id) : known;
    },
    replace: async (next) => {
      const isReplaced = await sessions.replace(next);
      // Waited for: a read at another node that begins after this one has ended sees the new version.
      if (isReplaced) await memory.noteVersion(next.id, next.version);
      return isReplaced;
    },
    find: (query) => sessions.find(query),
    list: () => sessions.list(),
    remove: (id) => sessions.remove(id),
  };
}
