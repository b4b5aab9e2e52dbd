/** Session records of one process: a JSON file each, all of them in memory while it runs. */
import { readdirSync, renameSync, unlinkSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  makePrivateDirectory,
  refuseLink,
  replaceFileDurably,
  syncDirectory,
} from '../../base/durable-files.ts';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { createKeyedMutex } from '../../base/mutex.ts';
import { readOwnSync } from '../../base/read-if-there.ts';
import { printable } from '../../base/safe-path.ts';
import { formatRecord, isSessionId, parseRecord } from '../../session/record-schema.ts';
import type { SessionRecord } from '../../session/record.ts';
import type { IncidentSink, Upkeep } from '../incident.ts';
import { isMeant, type SessionQuery, type SessionStore } from './session-store.ts';

const RECORD_NAME = /^([A-Za-z0-9_-]{1,64})\.json$/;
const TEMPORARY_NAME = /^\.cairn-[0-9a-f]+\.tmp$/;
/** Records read, or listed, between two turns of the event loop. */
const BATCH_RECORDS = 200;

/**
 * Opens the store in `directory`, made (0700) if it is missing. One process at a time may have it open. It renames a
 * file that is no record to `<id>.broken` and reports it to `onIncident`, so that one bad file does not end the
 * service. With `upkeep: 'report'` it changes nothing in the directory, which must exist; then only read from the
 * store.
 *
 * @throws CairnError `journal-version` for a record of a newer cairn, which stays as it is; `owner-untrusted` for a
 * file that another user may have written; `symlink-refused`; storage codes
 */
export async function openLocalSessionStore(
  directory: string,
  { upkeep = 'usual', onIncident = () => {} }: { upkeep?: Upkeep; onIncident?: IncidentSink } = {},
): Promise<SessionStore> {
  await refuseLink(directory);
  if (upkeep !== 'report') await makePrivateDirectory(directory);
  const records = new Map<string, SessionRecord>();
  try {
    // A killed process may have made names without syncing them; sync them before clients hear of them.
    if (upkeep !== 'report') for (const path of [dirname(directory), directory]) await syncDirectory(path);
    let read = 0;
    for (const name of readdirSync(directory)) {
      if (TEMPORARY_NAME.test(name)) tidy(directory, name, { upkeep, onIncident });
      const id = RECORD_NAME.exec(name)?.[1];
      if (id === undefined) continue;
      const record = loadRecord(directory, id, { upkeep, onIncident });
      if (record !== undefined) records.set(id, frozen(record));
      read += 1;
      if (read % BATCH_RECORDS === 0) await nextTurn();
    }
  } catch (error) {
    throw storageError(error, `reading the sessions in "${printable(directory)}"`);
  }
  return new LocalSessionStore(directory, records);
}

interface Care {
  readonly upkeep: Upkeep;
  readonly onIncident: IncidentSink;
}

/** Removes the leftover of an interrupted write, whose change no caller was told of. */
function tidy(directory: string, name: string, { upkeep, onIncident }: Care): void {
  if (upkeep !== 'report' && !isDone(() => unlinkSync(join(directory, name)))) return;
  const problem = `"${printable(join(directory, name))}" was left by a write that was cut`;
  if (upkeep !== 'usual')
    onIncident({ kind: 'temporary-file', session: undefined, problem, remedy: 'removed' });
}

/** False on a read-only disk: the file stays, and does no harm to pulls, which only need to read. */
function isDone(change: () => void): boolean {
  try {
    change();
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EROFS') return false;
    throw error;
  }
}

function loadRecord(directory: string, id: string, { upkeep, onIncident }: Care): SessionRecord | undefined {
  const path = join(directory, `${id}.json`);
  const record = parseRecord(readOwnSync(path), `"${printable(path)}"`);
  if (record?.id === id) return record;
  const isMoved = upkeep === 'report' || isDone(() => renameSync(path, join(directory, `${id}.broken`)));
  const what = isMoved ? `renamed to "${id}.broken"` : 'left where it is on a read-only disk';
  onIncident({
    kind: 'record-unreadable',
    session: id,
    problem: `"${printable(path)}" is no session record`,
    remedy: `${what}; its session is gone, and its client starts over`,
  });
  return undefined;
}

/** Freezes a record with all values in it. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}

class LocalSessionStore implements SessionStore {
  readonly properties = { shared: false };
  readonly #directory: string;
  /** Frozen, so that a list of thousands needs no copies; a caller that gets a single record gets its own copy. */
  readonly #records: Map<string, SessionRecord>;
  /** Runs changes of one record one after the other, and those of different records in parallel. */
  readonly #inTurn = createKeyedMutex();

  constructor(directory: string, records: Map<string, SessionRecord>) {
    this.#directory = directory;
    this.#records = records;
  }

  create(record: SessionRecord): Promise<void> {
    const own = structuredClone(record);
    return this.#inTurn(own.id, async () => {
      if (!isSessionId(own.id) || this.#records.has(own.id)) {
        throw new CairnError('internal', `the session id "${printable(own.id)}" is taken or no id`);
      }
      try {
        await this.#write(own);
      } catch (error) {
        // The file may exist already, unknown to the caller: the next start would take it for a session.
        await unlink(this.#path(own.id)).catch(() => undefined);
        throw error;
      }
    });
  }

  async get(id: string): Promise<SessionRecord | undefined> {
    return structuredClone(this.#records.get(id));
  }

  replace(next: SessionRecord): Promise<boolean> {
    const own = structuredClone(next);
    return this.#inTurn(own.id, async () => {
      if (this.#records.get(own.id)?.version !== own.version - 1) return false;
      await this.#write(own);
      return true;
    });
  }

  async find(query: SessionQuery): Promise<SessionRecord[]> {
    const found = [...this.#records.values()].filter((record) => isMeant(record, query));
    return found.toSorted((a, b) => b.createdAtMs - a.createdAtMs).map((record) => structuredClone(record));
  }

  async *list(): AsyncGenerator<SessionRecord> {
    // The reader may change the store meanwhile.
    const records = Array.from(this.#records.values());
    for (const [index, record] of records.entries()) {
      yield record;
      if ((index + 1) % BATCH_RECORDS === 0) await nextTurn();
    }
  }

  remove(id: string): Promise<void> {
    return this.#inTurn(id, async () => {
      if (!this.#records.has(id)) return;
      const path = this.#path(id);
      try {
        await unlink(path);
      } catch (error) {
        if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `removing "${printable(path)}"`);
      }
      this.#records.delete(id);
      await syncDirectory(this.#directory);
    });
  }

  async #write(record: SessionRecord): Promise<void> {
    await replaceFileDurably(this.#path(record.id), formatRecord(record));
    this.#records.set(record.id, frozen(record));
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}
