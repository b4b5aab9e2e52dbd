/** Directories: first made, and writable for their owner; at the end they get the sender's mode and time. */
import { chmodSync, fchmodSync, fstatSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { kindOf } from '../../../base/file-stat.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import { destinationExists } from '../../../transfer/destination-exists.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import { checkKeptTime } from './kept-times.ts';
import { splitPath } from '../tree/lookup.ts';
import { isAdding } from './put-into.ts';
import {
  firstModeOf,
  noteDevice,
  OWNER_BITS,
  type Publication,
  publishedEntries,
  publishError,
  targetOf,
} from './publication.ts';
import { removeFrom } from './backup.ts';

const MODE_BITS = 0o7777;

/** Makes missing directories; makes existing ones of this user writable. @throws CairnError */
export async function makeDirectories(publication: Publication): Promise<void> {
  const isToBeMade = (type: EntryType, index: number): boolean =>
    type === 'directory' && !publication.whole.isOfTree(index);
  for (const [index, entry] of publishedEntries(publication, isToBeMade)) {
    const path = targetOf(publication, entry);
    try {
      makeDirectory(publication, index, entry, path);
    } catch (error) {
      publication.refused.refuse(index, publishError(error, path));
    }
    await publication.breathe();
  }
}

function makeDirectory(publication: Publication, index: number, entry: Entry, path: string): void {
  const { cursor, made, opened } = publication;
  // With its mode from the beginning: after an interruption no run knows that it has made the directory.
  const mode = firstModeOf(publication, entry);
  if (path !== '' && makeMissing(publication, entry, path, mode)) made.add(index);
  else if (!isAdding(publication)) {
    const before = makeWritable(publication, cursor.enter(path));
    if (before !== undefined) opened.set(path, before);
  }
}

/** Makes a directory where none is, in place of an entry of another type if there is one; false where one exists. */
function makeMissing(publication: Publication, entry: Entry, path: string, mode: number): boolean {
  const { cursor, touched, syncFileSystem, native } = publication;
  const { parent, name } = splitPath(path);
  const directory = cursor.enter(parent);
  if (syncFileSystem === undefined) touched.add(parent);
  const make = (): void => directory.makeDirectory(name, mode);
  try {
    make();
    return true;
  } catch (error) {
    // A read-only file system may report that before it checks whether the directory exists.
    if (!['EEXIST', 'EROFS'].includes(systemCodeOf(error) ?? '')) throw error;
    const there = directory.look(name, native?.statAt);
    if (there === undefined) throw error;
    if (kindOf(there) === 'directory') return false;
    if (isAdding(publication)) throw destinationExists(path);
  }
  removeFrom(publication.backup, entry.path, { directory, name });
  make();
  return true;
}

/**
 * Makes the directories above the target writable for now, if they belong to this user: a mode (0555) that an earlier
 * transfer set must not keep out the entries of this one. {@link restoreModes} restores it.
 */
export function openParents(publication: Publication): void {
  const { cursor, transfer, opened } = publication;
  const names = transfer.target.split('/').slice(0, -1);
  for (let count = 1; count <= names.length; count += 1) {
    const path = names.slice(0, count).join('/');
    try {
      const mode = makeWritable(publication, cursor.enter(path));
      if (mode !== undefined) opened.set(path, mode);
    } catch (error) {
      // An obstacle shows when an entry is put there.
      if (!isOfOneEntry(error)) throw error;
      break;
    }
  }
}

/**
 * Restores the modes of directories that were made writable, unless they have got another mode since;
 * all of them where the publishing ended early.
 *
 * @throws the first failure, after all were tried
 */
export function restoreModes({ cursor, opened }: Publication): void {
  const failures: unknown[] = [];
  for (const [path, mode] of [...opened].toReversed()) {
    try {
      chmodSync(cursor.enter(path).here(), mode);
    } catch (error) {
      failures.push(publishError(error, path));
    }
  }
  opened.clear();
  if (failures.length > 0) throw failures[0];
}

/**
 * Makes a directory writable until the end: its mode 0555 is meant for the finished tree. Answers the earlier mode;
 * undefined where it was writable already, or cannot be made so.
 */
export function makeWritable(publication: Publication, directory: Directory): number | undefined {
  const { mode, uid } = fstatSync(directory.fd);
  if ((mode & OWNER_BITS) === OWNER_BITS || uid !== process.geteuid?.()) return undefined;
  // By path, since it may be open for searching only; the path leads to this very directory, even after a rename.
  chmodSync(directory.here(), (mode & MODE_BITS) | OWNER_BITS);
  publication.cursor.close();
  return mode & MODE_BITS;
}

/** Makes the new names durable without syncfs. Call it before the final modes, which may lock this user out. */
export async function syncTouched({ cursor, touched, breathe }: Publication): Promise<void> {
  for (const path of touched) {
    cursor.enter(path).sync();
    await breathe();
  }
}

/**
 * Sets modes and times, the deepest directories first: a write below a directory changes its time, and its mode may end
 * all access to the entries below.
 *
 * @throws CairnError with a storage code
 */
export async function finishDirectories(publication: Publication): Promise<void> {
  const { order, refused, whole } = publication;
  const { entries } = publication.transfer.manifest;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    if (entries.typeOf(index) !== 'directory' || order.isExcluded(index) || refused.has(index)) continue;
    if (whole.isDone(index)) continue;
    if (isAdding(publication) && !publication.made.has(index)) continue;
    const entry = entries.at(index)!;
    const path = targetOf(publication, entry);
    try {
      const directory = publication.cursor.enter(path);
      setDirectory(publication, directory, { index, entry }, publication.opened.get(path));
      publication.opened.delete(path);
      checkKeptTime(publication, index, entry);
      if (publication.syncFileSystem === undefined) directory.sync();
    } catch (error) {
      refused.refuseAttributes(index, publishError(error, path));
    }
    await publication.breathe();
  }
}

/**
 * Gives a directory its metadata, mode and time. Throws system errors.
 *
 * @param before its mode before it was made writable, if it was
 */
export function setDirectory(
  publication: Publication,
  directory: Directory,
  { index, entry }: { readonly index: number; readonly entry: Entry },
  before: number | undefined,
): void {
  const { times, modeOf, metadata } = publication;
  const { fd, isReadable } = directory;
  const stat = fstatSync(fd, { bigint: true });
  noteDevice(publication, directory, stat.dev);
  try {
    const found = Number(stat.mode) & MODE_BITS;
    const mode = modeOf(entry, before ?? found);
    metadata?.set(index, entry, isReadable ? fd : `${directory.here()}/.`);
    // A new owner, and a list, change the mode.
    const isToChange = found !== mode || metadata !== undefined;
    if (isReadable) {
      if (isToChange) fchmodSync(fd, mode);
      if (stat.mtimeNs !== entry.mtimeNs) times.set(fd, entry.mtimeNs);
      return;
    }
    // By path, and the mode last: it may keep its owner from reaching it again.
    if (stat.mtimeNs !== entry.mtimeNs) times.setLink(`${directory.here()}/.`, entry.mtimeNs);
    if (isToChange) chmodSync(directory.here(), mode);
  } catch (error) {
    // Only its owner may set this; the entries in it have arrived all the same.
    if (process.geteuid?.() === Number(stat.uid) || !isDenied(error)) throw error;
  }
}

/** Whether permission is missing, also for a directory that could only be opened for searching. */
function isDenied(error: unknown): boolean {
  const system = systemCodeOf(error instanceof CairnError ? error.cause : error);
  return ['EPERM', 'EACCES', 'EBADF'].includes(system ?? '');
}
