/** Replaces existing entries of another type, where no data is lost or the user asked for it. */
import { renameSync, rmdirSync } from 'node:fs';
import { removeTree } from '../../../base/remove-tree.ts';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import { PathFinder } from '../tree/lookup.ts';
import { type Publication, publishedEntries, targetOf } from './publication.ts';
import { treeFrom } from '../staging/new-trees.ts';
import { replacedName } from '../staging/staged-names.ts';
import type { FinalPlace } from './final-place.ts';

/**
 * Refuses, before any change, to replace a directory with entries in it, a link to a directory, a FIFO, a socket or a
 * device. Where entries are to be removed, such a directory may become empty: its entry is deferred, and the link gives
 * way.
 *
 * @throws CairnError `is-directory`, `symlink-refused`, `storage-unsupported` where no entry may be refused; storage
 * codes
 */
export async function refuseConflicts(publication: Publication): Promise<void> {
  // Where existing entries stay, a conflict shows when the entry is put in its place.
  const { existing = 'replaced', forceReplace, removal } = publication.order;
  if (existing !== 'replaced' || (forceReplace === true && removal === undefined)) return;
  const finder = new PathFinder(publication.root, publication.native?.statAt);
  /** Behind the last entry of a directory that is not there: nothing is in the way of what is below it. */
  let absentEnd = 0;
  const isToBeMade = (type: EntryType, index: number): boolean =>
    index >= absentEnd && (type === 'directory' || !publication.order.isPresent(index));
  try {
    for (const [index, entry] of publishedEntries(publication, isToBeMade)) {
      try {
        const isAbsent = refuseConflict(finder, entry, targetOf(publication, entry));
        if (isAbsent && entry.type === 'directory')
          absentEnd = treeFrom(publication.transfer.manifest.entries, index).end;
      } catch (error) {
        if (removal === undefined || !isOfType(error)) publication.refused.refuse(index, error);
        else if (entry.type !== 'directory') publication.deferred.add(index);
      }
      await publication.breathe();
    }
  } finally {
    finder.close();
  }
}

/** Whether an entry of another type is in the way, which may go or become empty. */
function isOfType(error: unknown): boolean {
  return error instanceof CairnError && ['is-directory', 'symlink-refused'].includes(error.code);
}

/** Answers whether nothing is there. */
function refuseConflict(finder: PathFinder, { type }: Entry, path: string): boolean {
  let there: EntryType | undefined;
  try {
    there = finder.find(path)?.entry.type;
  } catch (error) {
    if (error instanceof CairnError && error.code === 'storage-unsupported') throw error;
    // Below an entry that is to be replaced, or that cannot be searched: it shows when the entry is put there.
    if (isOfOneEntry(error)) return false;
    throw error;
  }
  // The user may have made the link to keep the directory elsewhere.
  if (there === 'symlink' && type === 'directory' && finder.isLinkToDirectory(path)) throw linkInTheWay(path);
  if (there === 'directory' && type !== 'directory' && !finder.isEmptyDirectory(path))
    throw conflict(type, there, path);
  return there === undefined;
}

/**
 * Renames a file or link into its place. It replaces a directory there if that is empty or the order says so: it moves
 * the directory aside, and removes the entries in it when the new file is in place.
 *
 * @param from a complete and durable file
 * @throws system errors; CairnError `is-directory`, storage codes
 */
export async function renameInto(
  publication: Publication,
  { entryIndex, entry }: { readonly entryIndex: number; readonly entry: Entry },
  from: FinalPlace,
  to: FinalPlace,
): Promise<void> {
  const rename = (): void => renameBetween(publication, from, to);
  try {
    rename();
    return;
  } catch (error) {
    if (systemCodeOf(error) !== 'EISDIR') throw error;
  }
  to.directory.refuseReserved(to.name, to.directory.look(to.name, publication.native?.statAt));
  if (removeIfEmpty(to.directory.at(to.name))) {
    rename();
    return;
  }
  if (publication.order.forceReplace !== true)
    throw conflict(entry.type, 'directory', targetOf(publication, entry));
  const aside = await moveAside(publication, entryIndex, to);
  try {
    rename();
  } catch (error) {
    // No file took its place, and the removal of the staging folder would take it along.
    renameBetween(publication, aside, to);
    throw error;
  }
  await removeTree(aside.directory.at(aside.name));
}

function renameBetween({ native }: Publication, from: FinalPlace, to: FinalPlace): void {
  if (native === undefined) renameSync(from.directory.at(from.name), to.directory.at(to.name));
  else native.renameAt(from.directory.fd, from.name, to.directory.fd, to.name);
}

function removeIfEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
}

/** Moves it into the staging folder, which is removed with all in it, or beside its place where no rename reaches. */
async function moveAside(publication: Publication, entryIndex: number, to: FinalPlace): Promise<FinalPlace> {
  const staged = { directory: publication.folder, name: replacedName(entryIndex) };
  await removeTree(staged.directory.at(staged.name));
  try {
    renameBetween(publication, to, staged);
    return staged;
  } catch (error) {
    // Another file system, or a directory of another owner, which may be renamed but not get another parent.
    if (!['EXDEV', 'EACCES', 'EPERM'].includes(systemCodeOf(error) ?? '')) throw error;
  }
  const beside = { directory: to.directory, name: `.cairn-${publication.id}-${entryIndex}.old` };
  await removeTree(beside.directory.at(beside.name));
  renameBetween(publication, to, beside);
  return beside;
}

/** The error for an entry of another type in the way; a person has to decide. */
export function conflict(wanted: EntryType, there: EntryType, path: string): CairnError {
  return new CairnError(
    wanted === 'directory' ? 'not-directory' : 'is-directory',
    `the transfer has a ${wanted} where the target has a ${there}: "${printable(path)}"; move it away, or replace it and everything in it with --force-replace`,
    { details: { path, wanted, there } },
  );
}

/** The error for a link to a directory in place of a directory: cairn neither follows nor replaces it unasked. */
export function linkInTheWay(path: string): CairnError {
  return new CairnError(
    'symlink-refused',
    `the transfer has a directory where the target has a symbolic link to one: "${printable(path)}"; it is not followed; remove it, or replace it with --force-replace`,
    { details: { path, wanted: 'directory', there: 'symlink' } },
  );
}
