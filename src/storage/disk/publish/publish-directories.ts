/** Directories: first made and writable for their owner, in the end with the mode and time that they were sent with. */
import { chmodSync, fchmodSync, fstatSync, mkdirSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { kindOf } from '../../../base/file-stat.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { destinationExists } from '../../../transfer/destination-exists.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import { checkKeptTime } from './kept-times.ts';
import { splitPath } from '../tree/lookup.ts';
import { isAdding } from './put-into.ts';
import { noteDevice, type Publication, publishedEntries, publishError, targetOf } from './publication.ts';
import { clearForDirectory } from './replace-type.ts';

const OWNER_BITS = 0o700;
const MODE_BITS = 0o7777;

/** Makes what is missing; what is there and belongs to this user becomes writable. @throws CairnError */
export async function makeDirectories(publication: Publication): Promise<void> {
  for (const [index, entry] of publishedEntries(publication, (type) => type === 'directory')) {
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
  const { cursor, made, opened, modeOf } = publication;
  // With its mode from the beginning: a run that is cut cannot tell later that it has made the directory.
  const mode = modeOf(entry, undefined) | OWNER_BITS;
  if (path !== '' && makeMissing(publication, path, mode)) made.add(index);
  else if (!isAdding(publication)) {
    const before = makeWritable(publication, cursor.enter(path));
    if (before !== undefined) opened.set(path, before);
  }
}

/** Whether the directory was missing, or something else was there that has given way to it. */
function makeMissing(publication: Publication, path: string, mode: number): boolean {
  const { cursor, touched, syncFileSystem, native } = publication;
  const { parent, name } = splitPath(path);
  const directory = cursor.enter(parent);
  if (syncFileSystem === undefined) touched.add(parent);
  const make = (): void => mkdirSync(directory.at(name), { mode });
  try {
    make();
    return true;
  } catch (error) {
    // A file system that is read-only may say so before it looks whether the directory is there.
    if (!['EEXIST', 'EROFS'].includes(systemCodeOf(error) ?? '')) throw error;
    const there = directory.look(name, native?.statAt);
    if (there === undefined) throw error;
    if (kindOf(there) === 'directory') return false;
    if (isAdding(publication)) throw destinationExists(path);
  }
  clearForDirectory({ directory, name });
  make();
  return true;
}

/**
 * Makes those directories above the target writable for now that belong to this user: one that an earlier transfer has
 * closed (0555) must not keep out what comes later. {@link restoreModes} closes them again.
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
      // What is in the way shows when an entry is put there.
      if (!isOfOneEntry(error)) throw error;
      break;
    }
  }
}

/**
 * Gives the modes back that directories had before they were made writable, and that they have not got another one since:
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
 * A directory of mode 0555 is the owner's wish for the end, and no reason not to finish. Answers the mode that it had;
 * undefined where nothing was to be done, or nothing can.
 */
function makeWritable(publication: Publication, directory: Directory): number | undefined {
  const { mode, uid } = fstatSync(directory.fd);
  if ((mode & OWNER_BITS) === OWNER_BITS || uid !== process.geteuid?.()) return undefined;
  // By path, since it may be open for searching only; this is the directory itself, whatever its name is by now.
  chmodSync(directory.here(), (mode & MODE_BITS) | OWNER_BITS);
  publication.cursor.close();
  return mode & MODE_BITS;
}

/** Where there is no syncfs: makes the new names durable. Before the final modes, which may lock this user out. */
export async function syncTouched({ cursor, touched, breathe }: Publication): Promise<void> {
  for (const path of touched) {
    cursor.enter(path).sync();
    await breathe();
  }
}

/**
 * Sets modes and times, the deepest first: what is written below a directory changes its time, and its mode may end all
 * access to what is below.
 *
 * @throws CairnError with a storage code
 */
export async function finishDirectories(publication: Publication): Promise<void> {
  const { order, refused } = publication;
  const { entries } = publication.transfer.manifest;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    if (entries.typeOf(index) !== 'directory' || order.isExcluded(index) || refused.has(index)) continue;
    if (isAdding(publication) && !publication.made.has(index)) continue;
    const entry = entries.at(index)!;
    const path = targetOf(publication, entry);
    try {
      const directory = publication.cursor.enter(path);
      setDirectory(publication, directory, entry, publication.opened.get(path));
      publication.opened.delete(path);
      checkKeptTime(publication, index, entry);
      if (publication.syncFileSystem === undefined) directory.sync();
    } catch (error) {
      refused.refuseAttributes(index, publishError(error, path));
    }
    await publication.breathe();
  }
}

/** @param before the mode that it had, where it was made writable since */
function setDirectory(
  publication: Publication,
  directory: Directory,
  entry: Entry,
  before: number | undefined,
): void {
  const { times, modeOf } = publication;
  const { fd, isReadable } = directory;
  const stat = fstatSync(fd, { bigint: true });
  noteDevice(publication, directory, stat.dev);
  try {
    const found = Number(stat.mode) & MODE_BITS;
    const mode = modeOf(entry, before ?? found);
    if (isReadable) {
      if (found !== mode) fchmodSync(fd, mode);
      if (stat.mtimeNs !== entry.mtimeNs) times.set(fd, entry.mtimeNs);
      return;
    }
    // By path, and the mode last: it may keep its owner from coming this way again.
    if (stat.mtimeNs !== entry.mtimeNs) times.setLink(`${directory.here()}/.`, entry.mtimeNs);
    if (found !== mode) chmodSync(directory.here(), mode);
  } catch (error) {
    // Only its owner may; what is in it has arrived all the same.
    if (process.geteuid?.() === Number(stat.uid) || !isDenied(error)) throw error;
  }
}

/** Also where the directory could only be opened to search it. */
function isDenied(error: unknown): boolean {
  const system = systemCodeOf(error instanceof CairnError ? error.cause : error);
  return ['EPERM', 'EACCES', 'EBADF'].includes(system ?? '');
}
