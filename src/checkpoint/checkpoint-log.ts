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

/** The checkpoint of one transfer on one side. All that it states is durable. Close it. */
export interface CheckpointLog {
  /** The durable chunks and their digests. Only {@link append} changes them; do not change them yourself. */
  readonly digests: ChunkDigests;
  /**
   * The number of durable first bytes of partial chunks. A hint: a writer that continues from them hashes them again.
   * Only {@link append} changes it.
   */
  readonly partialChunks: ReadonlyMap<number, number>;
  /** The last recorded epoch; 0 before the first. */
  readonly epoch: number;
  /** All notes together, the latest value of each name. */
  readonly note: Readonly<Record<string, Json>>;
  /**
   * Offset in bytes of damage found when the log was opened. The records behind it are lost, perhaps a `forget` among
   * them: hash the data of {@link digests} again before you trust it.
   */
  readonly corruptAt: number | undefined;
  /**
   * Records one sync point with one write and one datasync, and only then changes the values above. The data itself
   * must be durable before. After a failure each later call fails too: open the log anew.
   *
   * @throws CairnError with a storage code; `internal` for values that cannot be recorded
   */
  append(group: CheckpointGroup): Promise<void>;
  /** Closes the file after the appends that run; a second call does nothing. */
  close(): Promise<void>;
}

/**
 * Opens the checkpoint log at `path` for the manifest in `binding`, made if it is missing. The caller holds the lock of
 * the transfer: opening repairs the file, which must not happen while another process writes it.
 *
 * @param shownPath the file's name in messages, where only the system can use `path`
 * @throws CairnError `journal-corrupt` when the log belongs to another manifest or digest length, or makes no sense;
 * `journal-version` when a newer cairn wrote it; storage codes
 */
export async function openCheckpointLog(
  path: string,
  binding: CheckpointBinding,
  shownPath: string = path,
): Promise<CheckpointLog> {
  const journal = await openJournal(path, shownPath);
  const digests = new ChunkDigests(binding.digestLengthBytes);
  const state: CheckpointState = { digests, partialChunks: new Map(), epoch: 0, note: {} };
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
  /** An append changes its values in memory only. */
  readonly log: CheckpointLog;
  /** Length of the file in bytes; 0 also where it does not exist. */
  readonly sizeBytes: number;
  /** Bytes at its end from an interrupted write. */
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
  const state: CheckpointState = { digests, partialChunks: new Map(), epoch: 0, note: {} };
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
  // Their payloads hold the whole file in memory; the state now has all of it.
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
    get partialChunks() {
      return state.partialChunks;
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
      // The state comes from the very bytes that a restart would read.
      for (const record of records) applyRecord(state, record);
    },
    close: () => journal.close(),
  };
}
