/** Sync points: data, then names, then the journal; only then are chunks durable. */
import type { Directory } from '../../../base/directory.ts';
import { type CairnError, storageError } from '../../../base/errors.ts';
import type { Native } from '../../../base/native.ts';
import type { CheckpointLog } from '../../../checkpoint/checkpoint-log.ts';
import type { CheckpointGroup } from '../../../checkpoint/checkpoint-records.ts';
import type { PartialChunk } from './partial-chunks.ts';
import type { StagedFile, StagedFiles, SyncFile } from './staged-files.ts';

/** Files that are synced at the same time. */
const PARALLEL = 8;
/** From this many dirty files on, one syncfs is quicker than a sync of each (measured: 40 times at 10,000). */
const SYNCFS_FROM = 16;

/** A finished chunk that is not durable yet. */
export interface PendingChunk {
  readonly file: StagedFile;
  readonly digest: Uint8Array;
}

/** The parts of a staging folder that a sync point uses. */
export interface SyncPlace {
  readonly folder: Directory;
  readonly files: StagedFiles;
  readonly log: CheckpointLog;
  readonly native: Native | undefined;
  readonly syncFile: SyncFile;
}

/** The chunks that a sync point covers; all of their bytes were written before the sync began. */
export interface SyncWork {
  readonly pending: ReadonlyMap<number, PendingChunk>;
  readonly partialChunks: readonly PartialChunk[];
}

/**
 * Makes all dirty files durable, and records the chunks of `pending` and the partial chunks whose files did not fail;
 * records nothing where nothing has changed. A file that failed is poisoned, and its chunks
 * are lost; this throws the first such error after it has recorded the others.
 *
 * @throws CairnError with a storage code. Calls `isFatal` when no chunk at all can be trusted any more
 */
export async function syncChunks(
  place: SyncPlace,
  { pending, partialChunks }: SyncWork,
  isFatal: (error: CairnError) => void,
): Promise<void> {
  const { files, log } = place;
  const dirty = files.takeDirty();
  await syncFiles(place, dirty);
  const durable = [...pending].filter(([, { file }]) => file.failure === undefined);
  const failed = dirty.filter(({ failure }) => failure !== undefined);
  try {
    if (files.isFolderDirty) {
      files.isFolderDirty = false;
      place.folder.sync();
    }
    const chunks = new Map(durable.map(([chunk, { digest }]) => [chunk, digest]));
    const lostNames = new Set(failed.map(({ name }) => name));
    const kept = partialChunks.filter(({ fileName }) => !lostNames.has(fileName));
    await log.append({ chunks, ...changedClaims(log, kept, chunks) });
  } catch (error) {
    const failure = storageError(error, 'recording a sync point');
    isFatal(failure);
    // Files whose own sync failed are in no list any more: no other code would close them.
    await files.releaseAll(dirty);
    throw failure;
  }
  await files.releaseAll(dirty);
  const lost = [...pending.values()].find(({ file }) => file.failure !== undefined);
  const failure = failed[0]?.failure ?? lost?.file.failure;
  if (failure !== undefined) throw failure;
}

/** The partial chunks, where they differ from those that the log will have once it records `chunks`. */
function changedClaims(
  log: CheckpointLog,
  kept: readonly PartialChunk[],
  chunks: ReadonlyMap<number, unknown>,
): Pick<CheckpointGroup, 'partialChunks'> {
  const partialChunks = new Map(kept.map(({ chunk, bytes }) => [chunk, bytes]));
  const left = [...log.partialChunks].filter(([chunk]) => !chunks.has(chunk));
  const isSame =
    left.length === partialChunks.size && left.every(([chunk, bytes]) => partialChunks.get(chunk) === bytes);
  return isSame ? {} : { partialChunks };
}

async function syncFiles(place: SyncPlace, dirty: readonly StagedFile[]): Promise<void> {
  const syncFileSystem = place.native?.syncFileSystem;
  if (syncFileSystem !== undefined && dirty.length >= SYNCFS_FROM) {
    await syncAll(place, dirty, syncFileSystem);
    return;
  }
  for (let from = 0; from < dirty.length; from += PARALLEL) {
    await Promise.all(dirty.slice(from, from + PARALLEL).map((file) => syncOne(place, file)));
  }
}

async function syncOne({ files, syncFile }: SyncPlace, file: StagedFile): Promise<void> {
  try {
    await syncFile(await file.opening, file.name);
  } catch (error) {
    files.poison(file, storageError(error, `syncing staged data "${file.name}"`));
  }
}

async function syncAll(
  { files, folder }: SyncPlace,
  dirty: readonly StagedFile[],
  syncFileSystem: (fd: number) => Promise<void>,
): Promise<void> {
  try {
    await syncFileSystem(folder.fd);
  } catch (error) {
    const failure = storageError(error, 'syncing staged data');
    for (const file of dirty) files.poison(file, failure);
  }
}
