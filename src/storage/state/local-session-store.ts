/** Session records of one process: a JSON file each, all of them in memory while it runs. */
import { readdirSync, renameSync, unlinkSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as v from 'valibot';
import {
  makePrivateDirectory,
  refuseLink,
  replaceFileDurably,
  syncDirectory,
} from '../../base/durable-files.ts';
import { CairnError, isErrorCode, storageError, systemCodeOf, type ErrorCode } from '../../base/errors.ts';
import { readOwnSync } from '../../base/read-if-there.ts';
import { printable } from '../../base/safe-path.ts';
import { DIGEST_ALGORITHMS } from '../../manifest/digest.ts';
import { CHUNK_ENCODINGS } from '../../session/encoding.ts';
import { SYNC_MODES } from '../../session/sync-mode.ts';
import { isMomentReason, MOMENT_KINDS, type MomentReason } from '../../session/history.ts';
import type { SessionRecord } from '../../session/record.ts';
import { SCOPES } from '../../session/scopes.ts';
import type { IncidentSink, Upkeep } from '../incident.ts';
import { isMeant, type SessionQuery, type SessionStore } from './session-store.ts';

const RECORD_NAME = /^([A-Za-z0-9_-]{1,64})\.json$/;
const TEMPORARY_NAME = /^\.cairn-[0-9a-f]+\.tmp$/;
const ID = /^[A-Za-z0-9_-]{1,64}$/;
/** Records read, or listed, between two turns of the event loop. */
const BATCH_RECORDS = 200;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const quota = v.object({ bytes: v.optional(count), sessions: v.optional(count) });
const recordSchema = v.object({
  id: v.pipe(v.string(), v.regex(ID)),
  version: count,
  principal: v.string(),
  authorization: v.optional(
    v.object({
      id: v.string(),
      principal: v.string(),
      scopes: v.array(v.picklist(SCOPES)),
      pathPrefix: v.string(),
      expiresAtMs: v.optional(count),
      quota: v.optional(quota),
      issuer: v.optional(v.object({ id: v.string(), quota: v.optional(quota) })),
    }),
  ),
  direction: v.picklist(['push', 'pull']),
  target: v.string(),
  digest: v.picklist(DIGEST_ALGORITHMS),
  chunkSizeBytes: count,
  parallel: count,
  sync: v.optional(v.picklist(SYNC_MODES)),
  preserveModes: v.optional(v.boolean()),
  keepsTarget: v.optional(v.boolean()),
  encodings: v.optional(v.array(v.picklist(CHUNK_ENCODINGS))),
  durableSyncPoint: v.optional(count),
  state: v.picklist(['establishing', 'open', 'suspended', 'committing', 'committed', 'aborted', 'expired']),
  epoch: count,
  credentialHash: v.string(),
  previousCredentialHash: v.optional(v.string()),
  retiredCredentialHashes: v.optional(v.array(v.string())),
  noticedCredentialHashes: v.optional(v.array(v.string())),
  credentialsRevoked: v.optional(v.boolean()),
  rotatedAtMs: v.optional(count),
  manifestId: v.nullable(v.string()),
  holder: v.nullable(v.string()),
  createdAtMs: count,
  leaseExpiresAtMs: count,
  commit: v.nullable(
    v.object({
      digest: v.string(),
      bytesTotal: count,
      excluded: v.array(count),
      entriesTotal: count,
      leaveOut: v.optional(v.boolean()),
      forceReplace: v.optional(v.boolean()),
      unpublished: v.optional(v.array(v.object({ code: v.string(), entries: v.array(count) }))),
      unlisted: v.optional(count),
    }),
  ),
  bytesTotal: v.optional(count),
  bytesDone: v.optional(count),
  manifestBytes: v.optional(count),
  entries: v.optional(count),
  linkBytes: v.optional(count),
  lastError: v.optional(
    v.object({ atMs: count, code: v.custom<ErrorCode>(isErrorCode), message: v.string() }),
  ),
  history: v.optional(
    v.array(
      v.object({
        atMs: count,
        what: v.picklist(MOMENT_KINDS),
        epoch: count,
        by: v.optional(v.string()),
        from: v.optional(v.string()),
        why: v.optional(v.custom<MomentReason>(isMomentReason)),
      }),
    ),
  ),
});

/**
 * Opens the store in `directory`, made (0700) where it is missing. One process at a time may have it open. A file that
 * is no record is renamed to `<id>.broken` and told to `onIncident`, so that one bad file does not end the service. With
 * `upkeep: 'report'` nothing in the directory changes, which must exist; then only read from the store.
 *
 * @throws CairnError `journal-version` for a record of a newer cairn, which stays as it is; `owner-untrusted` for what
 * another user may have written; `symlink-refused`; storage codes
 */
export async function openLocalSessionStore(
  directory: string,
  { upkeep = 'usual', onIncident = () => {} }: { upkeep?: Upkeep; onIncident?: IncidentSink } = {},
): Promise<SessionStore> {
  await refuseLink(directory);
  if (upkeep !== 'report') await makePrivateDirectory(directory);
  const records = new Map<string, SessionRecord>();
  try {
    // A process that was killed may have made names and not lived to sync them; from here on they are told of.
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

/** What a write left that was cut: no change of a record that anybody was told of. */
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
  const record = parseRecord(readOwnSync(path), path);
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

function parseRecord(text: string, path: string): SessionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // as broken as any other text that is no record
  }
  refuseNewer(value, path);
  const result = v.safeParse(recordSchema, value);
  // Objects that were built member by member take more than twice the memory of those that the parser makes.
  return result.success ? (JSON.parse(JSON.stringify(result.output)) as SessionRecord) : undefined;
}

/** Records have no `format` so far, which is the first one. */
const RECORD_FORMAT = 1;

/** What a newer cairn wrote is not broken: nobody may rename it, or start its session over. */
function refuseNewer(value: unknown, path: string): void {
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format !== 'number' || format <= RECORD_FORMAT) return;
  const message = `"${printable(path)}" is a session of a newer cairn (format ${format}): serve with that one, or move it away`;
  throw new CairnError('journal-version', message, { details: { format } });
}

/** Freezes a record with all that is in it. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}

class LocalSessionStore implements SessionStore {
  readonly properties = { shared: false };
  readonly #directory: string;
  /** Frozen, so that a list of thousands needs no copies; a caller that gets a single one gets a copy of its own. */
  readonly #records: Map<string, SessionRecord>;
  /** The last change of each id that is under way. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(directory: string, records: Map<string, SessionRecord>) {
    this.#directory = directory;
    this.#records = records;
  }

  create(record: SessionRecord): Promise<void> {
    const own = structuredClone(record);
    return this.#inTurn(own.id, async () => {
      if (!ID.test(own.id) || this.#records.has(own.id)) {
        throw new CairnError('internal', `the session id "${printable(own.id)}" is taken or no id`);
      }
      try {
        await this.#write(own);
      } catch (error) {
        // It may be there already, and nobody knows of it: the next start would take it for a session.
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
    await replaceFileDurably(this.#path(record.id), JSON.stringify(record));
    this.#records.set(record.id, frozen(record));
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }

  /** Changes of one record come one after the other; those of different records go on side by side. */
  #inTurn<T>(id: string, action: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(action);
    const settled = turn
      .catch(() => undefined) // the caller of that turn is told
      .finally(() => {
        if (this.#turns.get(id) === settled) this.#turns.delete(id);
      });
    this.#turns.set(id, settled);
    return turn;
  }
}
