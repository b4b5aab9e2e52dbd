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

/** So much is written at most before it is synced, or one record, where that is longer. */
const MAX_UNSYNCED_BYTES = 1024 * 1024;

interface OpenState {
  readonly path: string;
  readonly records: JournalRecord[];
  readonly corruptAt: number | undefined;
  /** Where the next record goes, in bytes from the start. */
  readonly end: number;
}

/**
 * An append-only file of records, each with length, sequence and checksum. One process at a time may have it open: the
 * caller holds the lock of the transfer. Close it.
 */
export class Journal {
  /** What was there when the journal was opened. The array is the caller's: emptying it frees the memory. */
  readonly records: JournalRecord[];
  /** Offset of damage that was found, and cut off with all that followed; undefined when there was none. */
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
   * Adds `records`, with one write and one datasync for each mebibyte; they are durable once it resolves. Calls are
   * served in order. After a failure nothing is known about the end of the file: each later call throws that same error.
   *
   * @throws CairnError with a storage code; `internal` for a record that cannot be encoded
   */
  append(records: readonly JournalRecord[]): Promise<void> {
    return this.#inTurn(() => this.#append(records));
  }

  /** Closes the file after the appends that are under way; a second call does nothing. */
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

/** Whole records in their order, in as many parts as have to be synced one after the other. */
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
 * Opens the journal at `path`, made (0600, durably) if it is missing; its directory must exist. A torn tail is cut off.
 * Damage before the tail is cut off too, with all that follows it, and reported as {@link Journal.corruptAt}.
 *
 * @param shownPath how messages name the file, where `path` is good for the system only
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
 * Cuts off what is not valid, begins a file that has no whole header, and makes the rest durable: a reader that is told of
 * a record takes it for that.
 *
 * The last records may not be so. A process may have been killed before it synced them, or their sync failed, after which
 * the kernel may show bytes that it will never write. So they are written once more: only then a sync means anything.
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
