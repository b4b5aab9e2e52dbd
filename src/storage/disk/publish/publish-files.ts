/** Files and symlinks: complete and durable in the staging folder, then renamed into place, a batch at a time. */
import { closeSync, fsync } from 'node:fs';
import { promisify } from 'node:util';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import { checkKeptTime } from './kept-times.ts';
import { splitPath } from '../tree/lookup.ts';
import { moveAcross } from './move-across.ts';
import { keepReplaced } from './backup.ts';
import { PackedChunks } from './packed-chunks.ts';
import { type Prepared, prepareEntry } from './prepare-entry.ts';
import { finalSizeOf, type Publication, publishedEntries, publishError, targetOf } from './publication.ts';
import { isAdding, putInto, wasAdded } from './put-into.ts';
import { assembledName, entryName, preparedName } from '../staging/staged-names.ts';
import type { FinalPlace } from './final-place.ts';

/** Files that one syncfs makes durable. */
const BATCH_FILES = 2048;
/** Files that stay open until each is synced by itself, where there is no syncfs. */
const BATCH_OPEN_FILES = 256;
/** Bytes copied out of packed chunks before they are synced. */
const BATCH_BYTES = 64 * 1024 * 1024;
const PARALLEL_SYNCS = 32;

const fsyncLater = promisify(fsync);

/**
 * Publishes every file and symlink that is not there yet, apart from those that are deferred.
 *
 * @throws CairnError with a storage code
 */
export function publishFiles(publication: Publication): Promise<void> {
  const { order, deferred, whole } = publication;
  return publishWanted(
    publication,
    (index) => !order.isPresent(index) && !deferred.has(index) && !whole.isDone(index),
  );
}

/** Publishes the deferred files and symlinks. @throws CairnError with a storage code */
export async function publishDeferred(publication: Publication): Promise<void> {
  const { deferred } = publication;
  if (deferred.size > 0) await publishWanted(publication, (index) => deferred.has(index));
}

async function publishWanted(publication: Publication, isWanted: (index: number) => boolean): Promise<void> {
  const packed = new PackedChunks(publication);
  const batchFiles = publication.syncFileSystem === undefined ? BATCH_OPEN_FILES : BATCH_FILES;
  const isToBePlaced = (type: EntryType, index: number): boolean =>
    type !== 'directory' && type !== 'hardlink' && isWanted(index);
  let batch: Prepared[] = [];
  let copiedBytes = 0;
  try {
    for (const [index, entry] of publishedEntries(publication, isToBePlaced)) {
      const prepared = prepare(publication, packed, index, entry);
      if (prepared === 'published') touchParent(publication, entry);
      else if (prepared !== 'refused') batch.push(prepared);
      if (!publication.transfer.layout.isLarge(index)) copiedBytes += finalSizeOf(publication, entry);
      if (batch.length >= batchFiles || copiedBytes >= BATCH_BYTES) {
        await placeBatch(publication, batch);
        batch = [];
        copiedBytes = 0;
        publication.order.onProgress?.(index + 1);
      }
      await publication.breathe();
    }
    await placeBatch(publication, batch);
    batch = [];
  } finally {
    packed.close();
    closeAll(batch);
  }
}

function prepare(
  publication: Publication,
  packed: PackedChunks,
  index: number,
  entry: Entry,
): Prepared | 'published' | 'refused' {
  try {
    if (isAdding(publication) && wasAdded(stagedAt(publication, index))) return 'published';
    if (isPrepared(publication, index))
      return { entryIndex: index, entry, stagedName: preparedName(index), fd: undefined };
    return prepareEntry(publication, packed, index, entry) ?? 'published';
  } catch (error) {
    const failure = publishError(error, targetOf(publication, entry));
    // For a file, a failure in staging does not concern its own place; for a link the file system may support none.
    if (entry.type !== 'symlink') throw failure;
    publication.refused.refuse(index, failure);
    return 'refused';
  }
}

/** Whether a small file or link is complete in the staging folder. */
function isPrepared(publication: Publication, index: number): boolean {
  const isKept = publication.whole.isKept(index);
  if (isKept === undefined) return publication.ahead?.has(index) === true;
  return isKept && isSmall(publication, index);
}

/** Whether an entry has no staged file of its own. */
export function isSmall(publication: Publication, index: number): boolean {
  return stagedAt(publication, index).name === preparedName(index);
}

/** The place of an entry's complete file in the staging folder. */
export function stagedAt({ folder, transfer }: Publication, index: number): FinalPlace {
  if (transfer.assemblies?.has(index) === true) return { directory: folder, name: assembledName(index) };
  return { directory: folder, name: transfer.layout.isLarge(index) ? entryName(index) : preparedName(index) };
}

/** Notes the parent for a sync: the run that renamed the entry may have ended before the new name was durable. */
function touchParent(publication: Publication, entry: Entry): void {
  if (publication.syncFileSystem !== undefined) return;
  publication.touched.add(splitPath(targetOf(publication, entry)).parent);
}

async function placeBatch(publication: Publication, batch: readonly Prepared[]): Promise<void> {
  if (batch.length === 0) return;
  if (publication.syncFileSystem === undefined) await syncEach(batch);
  else await publication.syncFileSystem(publication.folder.fd);
  publication.root.checkInPlace();
  for (const prepared of batch) {
    const path = targetOf(publication, prepared.entry);
    try {
      await place(publication, prepared, path);
      checkKeptTime(publication, prepared.entryIndex, prepared.entry);
    } catch (error) {
      publication.refused.refuse(prepared.entryIndex, publishError(error, path));
    }
    await publication.breathe();
  }
}

/** Puts a prepared file in its place. @throws system errors; CairnError like {@link putInto} */
export async function place(publication: Publication, prepared: Prepared, path: string): Promise<void> {
  const { parent, name } = splitPath(path);
  const to = { directory: publication.cursor.enter(parent), name };
  if (publication.syncFileSystem === undefined) publication.touched.add(parent);
  checkStaged(publication, prepared);
  const { entry } = prepared;
  if (!isAdding(publication))
    keepReplaced(publication.backup, { entry, finalSizeBytes: finalSizeOf(publication, entry) }, to);
  try {
    await putInto(publication, prepared, { directory: publication.folder, name: prepared.stagedName }, to);
  } catch (error) {
    if (systemCodeOf(error) !== 'EXDEV') throw error;
    await moveAcross(publication, prepared, to);
  }
}

/**
 * Compares a large file, verified long before, with its descriptor; small ones lie in a folder of this user alone.
 *
 * @throws CairnError `storage-io` where another file has its name by now
 */
export function checkStaged({ folder, native }: Publication, { stagedName, inode, entry }: Prepared): void {
  if (inode === undefined) return;
  const there = folder.look(stagedName, native?.statAt);
  if (there?.dev === inode.dev && there.ino === inode.ino) return;
  const message = `the staged bytes of "${printable(entry.path)}" were exchanged while they were published; run it again`;
  throw new CairnError('storage-io', message);
}

async function syncEach(batch: readonly Prepared[]): Promise<void> {
  try {
    const open = batch.map(({ fd }) => fd).filter((fd) => fd !== undefined);
    for (let from = 0; from < open.length; from += PARALLEL_SYNCS) {
      await Promise.all(open.slice(from, from + PARALLEL_SYNCS).map((fd) => fsyncLater(fd)));
    }
  } catch (error) {
    throw storageError(error, 'syncing the files before they are published');
  } finally {
    closeAll(batch);
  }
}

function closeAll(batch: readonly Prepared[]): void {
  for (const prepared of batch) {
    if (prepared.fd !== undefined) closeSync(prepared.fd);
    prepared.fd = undefined;
  }
}
