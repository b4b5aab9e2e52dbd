import { constants, fstatSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory, syncHandle, writeFully } from '../base/durable-files.ts';
import { type CairnError, storageError, systemCodeOf } from '../base/errors.ts';
import { createMutex } from '../base/mutex.ts';
import { refuseForeign } from '../base/ownership.ts';
import { printable } from '../base/safe-path.ts';
import {
  HEADER_BYTES,
  type JournalContent,
  type JournalRecord,
  encodedBytes,
  encodeHeader,
  encodeRecord,
  readJournal,
} from './journal-format.ts';

const OPEN_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Most bytes written before a sync, except for one longer record. */
const MAX_UNSYNCED_BYTES = 1024 * 1024;

interface OpenState {
  readonly path: string;
  readonly records: JournalRecord[];
  readonly corruptAt: number | undefined;
  /** Offset of the next record, in bytes from the start. */
  readonly end: number;
}

/**
 * An append-only file of records, each with length, sequence and checksum. One process at a time may have it open: the
 * caller holds the lock of the transfer. Close it.
 */
export class Journal {
  /** The records of the journal when it was opened. The caller owns the array: emptying it frees the memory. */
  readonly records: JournalRecord[];
  /** Offset of damage that was found, and cut off with all bytes behind it; undefined when there was none. */
  readonly corruptAt: number | undefined;
  readonly #handle: FileHandle;
  readonly #path: string;
  #end: number;
  #sequence: number;
  #failure: CairnError | undefined;
  readonly #inTurn = createMutex();

  /** Takes ownership of `handle`; use {@link openJournal}. */
  constructor(handle: FileHandle, state: OpenState) {
    this.#handle = handle;
    this.#path = state.path;
    this.records = state.records;
    this.corruptAt = state.corruptAt;
    this.#end = state.end;
    this.#sequence = state.records.length;
  }

  /**
   * Adds `records`, with one write and one datasync for each mebibyte; they are durable once it resolves. Calls run in
   * order. After a failure the end of the file is unknown: each later call throws that same error.
   *
   * @throws CairnError with a storage code; `internal` for a record that cannot be encoded
   */
  append(records: readonly JournalRecord[]): Promise<void> {
    return this.#inTurn(() => this.#append(records));
  }

  /** Closes the file after the appends that run; a second call does nothing. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#handle.close());
  }

  async #append(records: readonly JournalRecord[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (records.length === 0) return;
    try {
      const encoded = records.map((record, index) => encodeRecord(record, this.#sequence + index));
      for (const batch of batchesOf(encoded)) {
        const bytes = Buffer.concat(batch);
        await writeFully(this.#handle, [bytes], this.#end);
        await syncHandle(this.#handle, this.#path);
        this.#end += bytes.length;
        this.#sequence += batch.length;
      }
    } catch (error) {
      this.#failure = storageError(error, `writing the journal "${printable(this.#path)}"`);
      throw this.#failure;
    }
  }
}

/** Groups whole records, in order, into the batches that are synced one after the other. */
function batchesOf(records: readonly Buffer[]): Buffer[][] {
  const batches: Buffer[][] = [];
  let lengthBytes = Infinity;
  for (const record of records) {
    lengthBytes += record.length;
    if (lengthBytes <= MAX_UNSYNCED_BYTES) batches.at(-1)!.push(record);
    else {
      batches.push([record]);
      lengthBytes = record.length;
    }
  }
  return batches;
}

/**
 * Opens the journal at `path`, made (0600, durably) if it is missing; its directory must exist. Cuts off a torn tail.
 * Damage before the tail is cut off too, with all bytes behind it, and reported as {@link Journal.corruptAt}.
 *
 * @param shownPath the file's name in messages, where only the system can use `path`
 * @throws CairnError `journal-version` when a newer cairn wrote it, `owner-untrusted` where another user may have (the
 * file stays as it is); storage codes
 */
export async function openJournal(path: string, shownPath: string = path): Promise<Journal> {
  let handle: FileHandle | undefined;
  try {
    handle = await openOrCreate(path);
    refuseForeign(fstatSync(handle.fd), shownPath);
    const bytes = await handle.readFile();
    const content = readJournal(bytes);
    await repair(handle, { path, shownPath }, bytes, content);
    const end = Math.max(content.validBytes, HEADER_BYTES);
    return new Journal(handle, {
      path: shownPath,
      records: content.records,
      corruptAt: content.corruptAt,
      end,
    });
  } catch (error) {
    await handle?.close();
    throw storageError(error, `opening the journal "${printable(shownPath)}"`);
  }
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, OPEN_FLAGS);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    return open(path, OPEN_FLAGS | constants.O_CREAT | constants.O_EXCL, 0o600);
  }
}

/**
 * Cuts off invalid bytes, begins a file without a whole header, and makes the rest durable: readers take every record
 * for durable.
 *
 * The last records may not be durable: the process may have died before it synced them, or their sync failed, after
 * which the kernel may show bytes that it will never write. So this writes them again before the sync.
 */
async function repair(
  handle: FileHandle,
  { path, shownPath }: { readonly path: string; readonly shownPath: string },
  bytes: Buffer,
  content: JournalContent,
): Promise<void> {
  const { records, validBytes, torn, corruptAt } = content;
  if (torn || corruptAt !== undefined) await handle.truncate(validBytes);
  if (validBytes === 0) await writeFully(handle, [encodeHeader()], 0);
  const lastRecord = records.at(-1);
  const unsyncedBytes = Math.max(MAX_UNSYNCED_BYTES, lastRecord === undefined ? 0 : encodedBytes(lastRecord));
  const from = Math.max(0, validBytes - unsyncedBytes);
  await writeFully(handle, [bytes.subarray(from, validBytes)], from);
  await syncHandle(handle, shownPath);
  // The run that made the file may have ended before its name was durable.
  await syncDirectory(dirname(path));
}
