/**
 * Pulls from a disk that is full or read-only: the server keeps their records in memory instead, bounded, until they
 * end. A restart loses these, and the clients begin a new session with the bytes that they have. Older records of such
 * a pull are removed from the disk, as far as it allows that, since a restart would take them for the current ones.
 */
import { CairnError, takesNothing } from '../../base/errors.ts';
import { bringsBytes } from '../../session/pass-record.ts';
import type { SessionRecord } from '../../session/record.ts';
import type { ContentStore, DocumentName, StagingArea } from '../content-store.ts';
import { isMeant, type SessionStore } from './session-store.ts';

/** The bounds of the memory. */
export interface TransientBounds {
  readonly maxSessions: number;
  readonly maxBytes: number;
}

const BOUNDS: TransientBounds = { maxSessions: 1000, maxBytes: 64 * 1024 * 1024 };

/** The two stores of one server. */
interface Stores {
  readonly sessions: SessionStore;
  readonly content: ContentStore;
}

/**
 * The same stores, which also take pulls that they would refuse because the disk is full or read-only. Not for a
 * session store that other processes share: they would not see these pulls.
 */
export function withTransientPulls({ sessions, content }: Stores, bounds: TransientBounds = BOUNDS): Stores {
  const documents = createDocuments(bounds.maxBytes);
  const kept = keepRecords(sessions, { maxSessions: bounds.maxSessions, onRemoved: documents.removeAll });
  const needsNoDisk = async (id: string): Promise<boolean> => {
    const record = await kept.get(id);
    return record !== undefined && !bringsBytes(record.pass);
  };
  return {
    sessions: kept,
    content: {
      properties: content.properties,
      scan: (path, options) => content.scan(path, options),
      lookup: (...asked) => content.lookup(...asked),
      makeDirectory: (path, options) => content.makeDirectory(path, options),
      remove: (path, options) => content.remove(path, options),
      move: (from, to, options) => content.move(from, to, options),
      read: (path, range, identity) => content.read(path, range, identity),
      ...(content.readNow === undefined
        ? {}
        : { readNow: (path, range, identity, into) => content.readNow!(path, range, identity, into) }),
      settle: () => content.settle(),
      listStaging: () => content.listStaging(),
      space: () => content.space(),
      close: () => content.close(),
      openStaging: async (id) => {
        if (!(await needsNoDisk(id))) return content.openStaging(id);
        let area: StagingArea | undefined;
        const refused = await refusalOf(async () => void (area = await content.openStaging(id)));
        return transientArea(id, documents, area, refused);
      },
    },
  };
}

/** Runs `action`; answers the error of a full or read-only disk, and throws every other. */
async function refusalOf(action: () => Promise<void>): Promise<CairnError | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    if (takesNothing(error)) return error;
    throw error;
  }
}

function keepRecords(
  store: SessionStore,
  { maxSessions, onRemoved }: { maxSessions: number; onRemoved: (id: string) => void },
): SessionStore {
  const records = new Map<string, SessionRecord>();
  const keep = (record: SessionRecord, refused: CairnError): void => {
    if (!records.has(record.id) && records.size >= maxSessions) throw refused;
    records.set(record.id, structuredClone(record));
  };
  /** Removes the older record from the disk: a full disk allows that, a read-only one does not. */
  const letGo = async (id: string): Promise<true> => {
    try {
      await refusalOf(() => store.remove(id));
      return true;
    } catch (error) {
      records.delete(id);
      throw error;
    }
  };
  return {
    properties: store.properties,
    create: async (record) => {
      const refused = await refusalOf(() => store.create(record));
      if (refused === undefined) return;
      if (bringsBytes(record.pass) || records.has(record.id)) throw refused;
      keep(record, refused);
    },
    get: async (id) => structuredClone(records.get(id)) ?? store.get(id),
    replace: async (next) => {
      const there = records.get(next.id);
      if (there !== undefined) {
        if (there.version !== next.version - 1) return false;
        records.set(next.id, structuredClone(next));
        return true;
      }
      let isReplaced = false;
      const refused = await refusalOf(async () => void (isReplaced = await store.replace(next)));
      if (refused === undefined) return isReplaced;
      if (bringsBytes(next.pass)) throw refused;
      const stored = await store.get(next.id); // before the check, so that check and change are in one turn
      if ((records.get(next.id) ?? stored)?.version !== next.version - 1) return false;
      keep(next, refused);
      return letGo(next.id);
    },
    find: async (query) => {
      const there = (await store.find(query)).filter(({ id }) => !records.has(id));
      const own = structuredClone([...records.values()].filter((record) => isMeant(record, query)));
      return [...own, ...there].toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    },
    list: async function* () {
      yield* Array.from(records.values());
      for await (const record of store.list()) if (!records.has(record.id)) yield record;
    },
    remove: async (id) => {
      records.delete(id);
      onRemoved(id);
      await store.remove(id);
    },
  };
}

/** Documents of sessions in memory. */
interface Documents {
  /** Throws `refused` where the memory has no room for it. */
  save(id: string, name: DocumentName, text: Iterable<string>, refused: CairnError): void;
  load(id: string, name: DocumentName): Buffer | undefined;
  remove(id: string, name: DocumentName): void;
  removeAll(id: string): void;
}

function createDocuments(maxBytes: number): Documents {
  const ofSession = new Map<string, Map<DocumentName, Buffer>>();
  let bytes = 0;
  const remove = (id: string, name: DocumentName): void => {
    bytes -= ofSession.get(id)?.get(name)?.byteLength ?? 0;
    ofSession.get(id)?.delete(name);
  };
  return {
    save: (id, name, text, refused) => {
      const pieces: Buffer[] = [];
      const others = bytes - (ofSession.get(id)?.get(name)?.byteLength ?? 0);
      let more = 0;
      for (const piece of text) {
        const part = Buffer.from(piece);
        pieces.push(part);
        more += part.byteLength;
        if (others + more > maxBytes) throw refused;
      }
      remove(id, name);
      const own = ofSession.get(id) ?? new Map<DocumentName, Buffer>();
      ofSession.set(id, own.set(name, Buffer.concat(pieces)));
      bytes += more;
    },
    load: (id, name) => ofSession.get(id)?.get(name),
    remove,
    removeAll: (id) => {
      for (const name of ofSession.get(id)?.keys() ?? []) remove(id, name);
      ofSession.delete(id);
    },
  };
}

/** The area of a pull; `area` is the one on the disk, if it has one, and `refused` the reason if it has none. */
function transientArea(
  id: string,
  documents: Documents,
  area: StagingArea | undefined,
  refused: CairnError | undefined,
): StagingArea {
  return {
    save: async (name, text) => {
      const now = area === undefined ? refused : await refusalOf(() => area.save(name, text));
      if (now === undefined) documents.remove(id, name);
      else documents.save(id, name, text, now);
    },
    load: async (name) => {
      const found = documents.load(id, name);
      return found === undefined ? area?.load(name) : once(found);
    },
    openChunks: async (transfer) => {
      if (area === undefined) throw refused ?? new CairnError('internal', 'a pull stages no chunks');
      return area.openChunks(transfer);
    },
    discard: async () => {
      documents.removeAll(id);
      await area?.discard();
    },
  };
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
