/** Sessions as documents of objects in memory: what many nodes share, in one process. */
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { createDocumentSessions } from '../../../src/storage/state/document-sessions.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import type { SessionStore } from '../../../src/storage/state/session-store.ts';

/** A session store over `objects`; each server over the same ones sees what the others do. */
export function createMemorySessionStore(objects: ObjectStore = createMemoryObjects()): SessionStore {
  return createDocumentSessions(createObjectState(objects));
}
