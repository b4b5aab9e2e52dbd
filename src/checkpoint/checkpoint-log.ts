import { CairnError } from '../base/errors.ts';
import { readIfThere } from '../base/read-if-there.ts';
import { printable } from '../base/safe-path.ts';
import { ChunkDigests } from './chunk-digests.ts';
import {
  type CheckpointBinding,
  type CheckpointGroup,
  type CheckpointState,
  type Json,
  applyRecord,
  decodeBinding,
  encodeBinding,
  encodeGroup,
} from './checkpoint-records.ts';
import { readJournal } from './journal-format.ts';
import { type Journal, openJournal } from './journal.ts';

/** The checkpoint of one transfer on one side. Everything that it says is durable. Close it. */
export interface CheckpointLog {
  /** The durable chunks and their digests. Only {@link append} changes them; do not change them yourself. */
  readonly digests: ChunkDigests;
  /**
   * How many first bytes of chunks that are not whole are durable. A hint: a writer that goes on from them hashes them again.
   * Only {@link append} changes it.
   */
  readonly held: ReadonlyMap<number, number>;
  /** The last epoch that was recorded; 0 before the first. */
  readonly epoch: number;
  /** All notes together, the latest of each name. */
  readonly note: Readonly<Record<string, Json>>;
  /**
   * Offset in bytes of damage found when the log was opened. What followed it is lost, and that may have been a
   * `forget`: hash the data of {@link digests} again before you trust it.
   */
  readonly corruptAt: number | undefined;
  /**
   * Records one sync point with one write and one datasync, and only then changes what the log says. The data itself
   * must be durable before. After a failure each later call fails too: open the log anew.
   *
   * @throws CairnError with a storage code; `internal` for values that cannot be recorded
   */
  append(group: CheckpointGroup): Promise<void>;
  /** Closes the file after the appends that are under way; a second call does nothing. */
  close(): Promise<void>;
}

/**
 * Opens the checkpoint log at `path` for the manifest in `binding`, made if it is missing. The caller holds the lock of
 * the transfer: opening repairs the file, which must not happen under the hands of a writer.
 *
 * @param shownPath how messages name the file, where `path` is good for the system only
 * @throws CairnError `journal-corrupt` when the log is of another manifest or digest length, or cannot be understood;
 * `journal-version` when a newer cairn wrote it; storage codes
 */
export async function openCheckpointLog(
  path: string,
  binding: CheckpointBinding,
  shownPath: string = path,
): Promise<CheckpointLog> {
  const journal = await openJournal(path, shownPath);
  const digests = new ChunkDigests(binding.digestLengthBytes);
  const state: CheckpointState = { digests, held: new Map(), epoch: 0, note: {} };
  try {
    await load(journal, shownPath, binding, state);
  } catch (error) {
    await journal.close();
    throw error;
  }
  return checkpointLog(journal, state);
}

/** A checkpoint log as {@link readCheckpointLog} finds it. */
export interface FoundCheckpointLog {
  /** What is appended to it changes what it says, and is not written. */
  readonly log: CheckpointLog;
  /** Length of the file in bytes; 0 also where there is none. */
  readonly sizeBytes: number;
  /** Bytes at its end that a write left which was cut. */
  readonly tornBytes: number;
}

/**
 * Reads the checkpoint log at `path` as {@link openCheckpointLog} would, and leaves the file as it is.
 *
 * @throws CairnError like {@link openCheckpointLog}
 */
export async function readCheckpointLog(
  path: string,
  binding: CheckpointBinding,
  shownPath: string = path,
): Promise<FoundCheckpointLog> {
  const bytes = (await readIfThere(path)) ?? Buffer.alloc(0);
  const { records, validBytes, torn, corruptAt } = readJournal(bytes);
  const unwritten = { records, corruptAt, append: async () => undefined, close: async () => undefined };
  const digests = new ChunkDigests(binding.digestLengthBytes);
  const state: CheckpointState = { digests, held: new Map(), epoch: 0, note: {} };
  await load(unwritten, shownPath, binding, state);
  const log = checkpointLog(unwritten, state);
  return { log, sizeBytes: bytes.length, tornBytes: torn ? bytes.length - validBytes : 0 };
}

type RecordFile = Pick<Journal, 'records' | 'corruptAt' | 'append' | 'close'>;

async function load(
  journal: RecordFile,
  path: string,
  binding: CheckpointBinding,
  state: CheckpointState,
): Promise<void> {
  const [first, ...rest] = journal.records;
  // Their payloads hold the whole file in memory; from here on the state says it all.
  journal.records.length = 0;
  if (first === undefined) {
    await journal.append([encodeBinding(binding)]);
    return;
  }
  const found = decodeBinding(first);
  if (found.manifestId !== binding.manifestId || found.digestLengthBytes !== binding.digestLengthBytes) {
    const message = `the checkpoint "${printable(path)}" belongs to another manifest`;
    throw new CairnError('journal-corrupt', message, {
      details: { manifestId: printable(found.manifestId) },
    });
  }
  for (const record of rest) applyRecord(state, record);
}

function checkpointLog(journal: RecordFile, state: CheckpointState): CheckpointLog {
  return {
    digests: state.digests,
    corruptAt: journal.corruptAt,
    get held() {
      return state.held;
    },
    get epoch() {
      return state.epoch;
    },
    get note() {
      return state.note;
    },
    append: async (group) => {
      const records = encodeGroup(group, state.digests.digestLengthBytes);
      await journal.append(records);
      // The very bytes that a restart would read decide what is said from now on.
      for (const record of records) applyRecord(state, record);
    },
    close: () => journal.close(),
  };
}
