/** A session store in memory that behaves like a shared one: records are copied in and out, changes are conditional. */
import { CairnError } from '../../../src/base/errors.ts';
import type { SessionRecord } from '../../../src/session/record.ts';
import type { MemoryBackend, StoredObject } from './memory-backend.ts';
import { isMeant, type SessionStore } from '../../../src/storage/state/session-store.ts';

const PREFIX = 'sessions/';

/** Opens a session store over `backend`; any number may be open over the same one. */
export function createMemorySessionStore(backend: MemoryBackend): SessionStore {
  async function* list(): AsyncGenerator<SessionRecord> {
    for (const { key } of await backend.list(PREFIX)) {
      const object = await backend.get(key);
      if (object !== undefined) yield recordOf(object);
    }
  }
  return {
    properties: { shared: true },
    create: async (record) => {
      const etag = await backend.put(PREFIX + record.id, bodyOf(record), {}, { ifMatch: null });
      if (etag === undefined) throw new CairnError('internal', `the session id ${record.id} is taken`);
    },
    get: async (id) => {
      const object = await backend.get(PREFIX + id);
      return object === undefined ? undefined : recordOf(object);
    },
    replace: async (next) => {
      const there = await backend.get(PREFIX + next.id);
      if (there === undefined || recordOf(there).version !== next.version - 1) return false;
      // Between the two calls another process may have been faster: the bucket decides.
      const etag = await backend.put(PREFIX + next.id, bodyOf(next), {}, { ifMatch: there.etag });
      return etag !== undefined;
    },
    find: async (query) => {
      const found: SessionRecord[] = [];
      for await (const record of list()) if (isMeant(record, query)) found.push(record);
      return found.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    },
    list,
    remove: (id) => backend.remove(PREFIX + id),
  };
}

function bodyOf(record: SessionRecord): Buffer {
  return Buffer.from(JSON.stringify(record));
}

function recordOf({ body }: StoredObject): SessionRecord {
  return JSON.parse(body.toString()) as SessionRecord;
}
