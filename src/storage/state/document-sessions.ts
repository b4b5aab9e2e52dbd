/**
 * Session records as documents of a state store: `s/ID` holds the record, and `f/HASH/ID`, an empty mark, lets one list
 * find a client's unfinished session. The record is made first and removed last, so that a crash in between leaves no
 * mark for ever; a client that has lost its id cannot find a session without a mark, which ends with its lease.
 */
import { createHash } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { formatRecord, isSessionId, parseRecord } from '../../session/record-schema.ts';
import type { SessionRecord } from '../../session/record.ts';
import type { IncidentSink, Upkeep } from '../incident.ts';
import { isMeant, type SessionQuery, type SessionStore } from './session-store.ts';
import type { StateDocument, StateStore } from './state-store.ts';

const RECORDS = 's/';
const MARKS = 'f/';

/**
 * A session store over documents; every node may have its own over the same ones. It reports a document that is no
 * record to `onIncident` and skips it; where `upkeep` is `thorough`, a list removes it. Its functions throw
 * `journal-version` for a record of a newer cairn.
 */
export function createDocumentSessions(
  state: StateStore,
  onIncident: IncidentSink = () => {},
  upkeep: Upkeep = 'usual',
): SessionStore {
  const get = async (id: string): Promise<SessionRecord | undefined> => {
    const found = isSessionId(id) ? await state.get(RECORDS + id) : undefined;
    return found === undefined ? undefined : recordOf(found, onIncident);
  };
  const mark = async (record: SessionRecord): Promise<void> => {
    const key = markOf(record);
    if (key !== undefined) await state.compareAndSet(key, null, '');
  };
  return {
    properties: { shared: state.properties.shared },
    create: async (record) => {
      const isNew =
        isSessionId(record.id) &&
        (await state.compareAndSet(RECORDS + record.id, null, formatRecord(record))) !== undefined;
      if (!isNew) {
        throw new CairnError('internal', `the session id "${printable(record.id)}" is taken or no id`);
      }
      await mark(record);
    },
    get,
    replace: (next) => replace(state, next, { mark, onIncident }),
    find: async (query) => {
      const found: SessionRecord[] = [];
      for await (const { key } of state.list(marksOf(query))) {
        const record = await get(key.slice(key.lastIndexOf('/') + 1));
        if (record !== undefined && isMeant(record, query)) found.push(record);
      }
      return found.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    },
    list: () => listRecords(state, onIncident, upkeep),
    remove: async (id) => {
      const record = await get(id);
      const key = record === undefined ? undefined : markOf(record);
      if (key !== undefined) await state.remove(key);
      if (isSessionId(id)) await state.remove(RECORDS + id);
    },
  };
}

async function replace(
  state: StateStore,
  next: SessionRecord,
  { mark, onIncident }: { mark: (record: SessionRecord) => Promise<void>; onIncident: IncidentSink },
): Promise<boolean> {
  const there = isSessionId(next.id) ? await state.get(RECORDS + next.id) : undefined;
  const record = there === undefined ? undefined : recordOf(there, onIncident);
  if (there === undefined || record?.version !== next.version - 1) return false;
  // Between the two calls another node may have been faster: the store decides.
  const version = await state.compareAndSet(there.key, there.version, formatRecord(next));
  if (version === undefined) return false;
  const old = markOf(record);
  if (old === markOf(next)) return true;
  await mark(next);
  if (old !== undefined) await state.remove(old);
  return true;
}

async function* listRecords(
  state: StateStore,
  onIncident: IncidentSink,
  upkeep: Upkeep,
): AsyncGenerator<SessionRecord> {
  const isLeft = upkeep === 'usual';
  const remedy = 'removed; its client starts over';
  const tell: IncidentSink = (incident) => onIncident(isLeft ? incident : { ...incident, remedy });
  for await (const document of state.list(RECORDS)) {
    const record = recordOf(document, tell);
    if (record !== undefined) yield record;
    else if (upkeep === 'thorough') await state.remove(document.key);
  }
}

function recordOf({ key, text }: StateDocument, onIncident: IncidentSink): SessionRecord | undefined {
  const id = key.slice(RECORDS.length);
  const record = parseRecord(text, `"${key}"`);
  if (record?.id === id) return record;
  const problem = `the document "${key}" is no session record`;
  const remedy = 'left as it is; its session is gone, and its client starts over';
  onIncident({ kind: 'record-unreadable', session: id, problem, remedy });
  return undefined;
}

function markOf({ id, principal, target, pass }: SessionRecord): string | undefined {
  const { direction, manifestId } = pass;
  return manifestId === null ? undefined : marksOf({ principal, direction, target, manifestId }) + id;
}

/** The prefix of the keys of all marks that match a query. */
function marksOf({ principal, direction, target, manifestId }: SessionQuery): string {
  const meant = JSON.stringify([principal, direction, target, manifestId]);
  return `${MARKS}${createHash('sha256').update(meant).digest('hex')}/`;
}
