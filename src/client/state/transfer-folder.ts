/** The folder of one unfinished transfer: `<stateHome>/transfers/<key>/`, for its owner only, locked while in use. */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { type Directory, openDirectory } from '../../base/directory.ts';
import { makePrivateDirectory, replaceFileDurably } from '../../base/durable-files.ts';
import { removeTree } from '../../base/remove-tree.ts';
import { CairnError, EXIT } from '../../base/errors.ts';
import { acquireProcessLock, type ProcessLock } from '../../base/process-lock.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { openCheckpointLog, type CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import type { CheckpointBinding } from '../../checkpoint/checkpoint-records.ts';
import { loadDocument, saveDocument } from '../../storage/disk/staging/documents.ts';
import { WORKED_AT } from './journal-writer.ts';
import { parseRecord, transferKey, type TransferIdentity, type TransferRecord } from './transfer-record.ts';
import { createWorkedTime } from './worked-time.ts';

/** File names in the folder of a transfer. */
export const TRANSFER_FILES = {
  record: 'transfer.json',
  manifest: 'manifest',
  identities: 'identities',
  parts: 'parts',
  journal: 'journal',
} as const;

/** The name of a document in such a folder. */
export type KeptDocument = 'manifest' | 'identities' | 'parts';

/** A transfer's folder, locked by this process. Ends by `close` or `remove`. */
export interface TransferFolder {
  readonly key: string;
  /**
   * Id of the staging area of a pull. Not the key alone: two state homes with the same transfer know nothing of each
   * other's locks, and must not write into the same place. The record keeps it, so that a state home may be moved.
   */
  readonly stagingId: string;
  /** Where this and all other transfers of the user keep what they know; none where nothing is kept. */
  readonly stateHome?: string;
  /** The record as last saved or found; undefined before there is one. */
  readonly record: TransferRecord | undefined;
  /** Whether a record was found that cannot be read. */
  readonly wasDamaged: boolean;
  /** Replaces the record, durably. Calls are served in order. */
  save(record: Omit<TransferRecord, 'updatedAt'>): Promise<void>;
  /** Changes members of the record that is there, durably; without a record it does nothing. */
  update(changes: Partial<TransferRecord>): Promise<void>;
  /** Replaces a document, durably. */
  saveDocument(name: KeptDocument, text: Iterable<string>): Promise<void>;
  loadDocument(name: KeptDocument): Promise<AsyncIterable<Uint8Array> | undefined>;
  openJournal(binding: CheckpointBinding): Promise<CheckpointLog>;
  /** Removes all files of the folder, and keeps the lock. */
  clear(): Promise<void>;
  /** Lets the lock go; where nothing was saved, nothing stays behind. */
  close(): Promise<void>;
}

/** The directory in which the folders of all transfers are. */
export function transfersDirectory(stateHome: string): string {
  return join(stateHome, 'transfers');
}

/**
 * Opens and locks the folder of a transfer; made if missing.
 *
 * @throws CairnError `transfer-locked` while another process lives that has it; `journal-version` for a record of a
 * newer cairn; storage codes
 */
export async function openTransferFolder(
  stateHome: string,
  identity: TransferIdentity,
): Promise<TransferFolder> {
  try {
    return await openFolder(stateHome, transferKey(identity));
  } catch (error) {
    if (!(error instanceof CairnError) || error.traits.exitCode !== EXIT.storage) throw error;
    const message = `${error.message}; set CAIRN_STATE_HOME to a directory where you can write`;
    throw new CairnError(error.code, message, { cause: error, details: error.details });
  }
}

/** The folder of a run that keeps nothing, and needs no place for it: a dry one. Nothing is locked. */
export function unkeptFolder(identity: TransferIdentity): TransferFolder {
  const key = transferKey(identity);
  const unkept = (): never => {
    throw new CairnError('internal', 'a dry run keeps nothing');
  };
  return {
    key,
    stagingId: key.slice(0, 32),
    record: undefined,
    wasDamaged: false,
    save: unkept,
    update: async () => undefined,
    saveDocument: unkept,
    loadDocument: async () => undefined,
    openJournal: unkept,
    clear: async () => undefined,
    close: async () => undefined,
  };
}

/**
 * Opens and locks a folder by its key. Throws like {@link openTransferFolder}.
 *
 * @param options.ofAnyVersion takes a record of a newer cairn for one that cannot be read, so that it can be removed
 */
export async function openFolder(
  stateHome: string,
  key: string,
  options: { readonly ofAnyVersion?: boolean } = {},
): Promise<TransferFolder> {
  const path = join(transfersDirectory(stateHome), key);
  await makePrivateDirectory(transfersDirectory(stateHome));
  const lock = await acquireProcessLock(path);
  let directory: Directory | undefined;
  try {
    directory = openDirectory(path);
    const text = await readIfThere(join(path, TRANSFER_FILES.record));
    const record =
      text === undefined ? undefined : readRecord(text.toString(), options.ofAnyVersion === true);
    const stagingId = record?.stagingId ?? stagingIdOf(stateHome, key);
    const place = { path, directory, key, stateHome, stagingId };
    return folderOf(place, lock, { record, wasDamaged: text !== undefined && record === undefined });
  } catch (error) {
    directory?.close();
    await lock.release();
    throw error;
  }
}

function readRecord(text: string, ofAnyVersion: boolean): TransferRecord | undefined {
  try {
    return parseRecord(text);
  } catch (error) {
    if (ofAnyVersion && error instanceof CairnError && error.code === 'journal-version') return undefined;
    throw error;
  }
}

function stagingIdOf(stateHome: string, key: string): string {
  return createHash('sha256')
    .update(`${key}\0${resolve(stateHome)}`)
    .digest('hex')
    .slice(0, 32);
}

interface FolderPlace {
  readonly path: string;
  /** Open; the folder closes it. */
  readonly directory: Directory;
  readonly key: string;
  readonly stagingId: string;
  readonly stateHome: string;
}

function folderOf(
  { path, directory, key, stagingId, stateHome }: FolderPlace,
  lock: ProcessLock,
  state: { record: TransferRecord | undefined; readonly wasDamaged: boolean },
): TransferFolder {
  let turn: Promise<void> = Promise.resolve();
  const worked = createWorkedTime(state.record);
  const write = async (record: Omit<TransferRecord, 'updatedAt'>): Promise<void> => {
    const updatedAt = new Date().toISOString();
    const isSameGrant = record.session === state.record?.session;
    const grantedAt = isSameGrant ? record.grantedAt : updatedAt;
    const next = { ...record, stagingId, updatedAt, durationMs: worked.ms(), grantedAt };
    await replaceFileDurably(join(path, TRANSFER_FILES.record), JSON.stringify(next), 0o600);
    state.record = next;
  };
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined); // told to the caller
    return done;
  };
  return {
    key,
    stagingId,
    stateHome,
    get record() {
      return state.record;
    },
    wasDamaged: state.wasDamaged,
    save: (record) => inTurn(() => write(record)),
    update: (changes) =>
      inTurn(async () => (state.record === undefined ? undefined : write({ ...state.record, ...changes }))),
    saveDocument: (name, text) => saveDocument(directory, name, text),
    loadDocument: (name) => loadDocument(() => directory.reopen(), name),
    openJournal: async (binding) => {
      const log = await openCheckpointLog(join(path, TRANSFER_FILES.journal), binding);
      const workedAt = log.note[WORKED_AT];
      if (typeof workedAt === 'number') worked.lastSeen(workedAt);
      return log;
    },
    clear: () =>
      inTurn(async () => {
        if (state.record !== undefined) worked.restart();
        state.record = undefined;
        // The record goes first: without it the rest is nothing, and the lock among it stays.
        for (const name of Object.values(TRANSFER_FILES)) await removeTree(join(path, name));
      }),
    close: async () => {
      await turn;
      directory.close();
      // What cannot be read stays to be looked at, unless the transfer was finished without it.
      const isThere = (await readIfThere(join(path, TRANSFER_FILES.record))) !== undefined;
      if (!isThere) await removeTree(path);
      await lock.release();
    },
  };
}
