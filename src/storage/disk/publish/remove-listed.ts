/** Removes the entries that an order lists, the deepest first, each only if it is still the listed one. */
import { chmodSync, readlinkSync, rmdirSync } from 'node:fs';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { kindOf } from '../../../base/file-stat.ts';
import { joinPath } from '../../../base/safe-path.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { changedSinceListed, isAsListed, notEmpty } from '../../../transfer/listed-entries.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import { foundEntry } from '../tree/found-entry.ts';
import { splitPath } from '../tree/lookup.ts';
import { removeFrom } from './backup.ts';
import { type Publication, publishError } from './publication.ts';
import { makeWritable } from './publish-directories.ts';

const GONE: ReadonlySet<string> = new Set(['not-found', 'not-directory', 'symlink-refused']);

/**
 * Removes what `order.removal` lists; nothing where an entry was refused. A call after a crash finishes the earlier one:
 * what is gone counts as removed.
 *
 * @throws CairnError with a storage code that is not of one entry
 */
export async function removeListed(publication: Publication): Promise<void> {
  const { order, transfer, refused, root, breathe } = publication;
  const { removal } = order;
  if (removal === undefined) return;
  if (refused.size > 0) {
    removal.onSkipped();
    return;
  }
  root.checkInPlace();
  // Not the cursor of the publication, which makes what is missing.
  const cursor = new DirectoryCursor(root);
  const { entries } = removal;
  try {
    for (let index = entries.length - 1; index >= 0; index -= 1) {
      const listed = entries.at(index)!;
      const path = joinPath(transfer.target, listed.path);
      try {
        removeOne(publication, cursor, listed, path);
      } catch (error) {
        if (systemCodeOf(error) === 'ENOENT' && isGone(publication, cursor, path)) continue;
        const failure = publishError(error, path);
        if (failure.code !== 'destination-changed' && !isOfOneEntry(failure)) throw failure;
        removal.onKept(index, failure);
      }
      await breathe();
    }
  } finally {
    cursor.close();
  }
}

/** Whether an entry was taken away between the look at it and its removal. */
function isGone({ native }: Publication, cursor: DirectoryCursor, path: string): boolean {
  const { parent, name } = splitPath(path);
  try {
    return cursor.enter(parent).look(name, native?.statAt) === undefined;
  } catch (error) {
    if (error instanceof CairnError && GONE.has(error.code)) return true;
    throw error;
  }
}

function removeOne(publication: Publication, cursor: DirectoryCursor, listed: Entry, path: string): void {
  const { native, touched, syncFileSystem } = publication;
  const { parent, name } = splitPath(path);
  let directory: Directory;
  try {
    directory = cursor.enter(parent);
  } catch (error) {
    // The directory is gone; or an entry of another type has replaced it, in an earlier call too.
    if (error instanceof CairnError && GONE.has(error.code)) return;
    throw error;
  }
  const stat = directory.look(name, native?.statAt);
  if (stat === undefined) return;
  directory.refuseReserved(name, stat);
  const kind = kindOf(stat);
  if (kind !== 'file' && kind !== 'directory' && kind !== 'symlink') throw changedSinceListed(path);
  const linkTarget = kind === 'symlink' ? readlinkSync(directory.at(name)) : '';
  if (!isAsListed(foundEntry(listed.path, kind, stat, linkTarget).entry, listed))
    throw changedSinceListed(path);
  openForRemoval(publication, directory, parent);
  if (kind === 'directory') removeDirectory(publication, { cursor, directory, name, path });
  else removeFrom(publication.backup, listed.path, { directory, name });
  if (syncFileSystem === undefined) touched.add(parent);
}

/** Makes a listed directory of this user writable, as the directories of the manifest are by now. */
function openForRemoval(publication: Publication, directory: Directory, path: string): void {
  const before = makeWritable(publication, directory);
  if (before !== undefined && !publication.opened.has(path)) publication.opened.set(path, before);
}

function removeDirectory(
  { touched, opened }: Publication,
  {
    cursor,
    directory,
    name,
    path,
  }: {
    readonly cursor: DirectoryCursor;
    readonly directory: Directory;
    readonly name: string;
    readonly path: string;
  },
): void {
  try {
    rmdirSync(directory.at(name));
  } catch (error) {
    restoreKept({ opened }, cursor, path);
    if (!['ENOTEMPTY', 'EEXIST'].includes(systemCodeOf(error) ?? '')) throw error;
    throw notEmpty(path, error);
  }
  touched.delete(path);
  opened.delete(path);
}

/** A directory that stays gets its mode again. */
function restoreKept({ opened }: Pick<Publication, 'opened'>, cursor: DirectoryCursor, path: string): void {
  const before = opened.get(path);
  if (before === undefined) return;
  opened.delete(path);
  chmodSync(cursor.enter(path).here(), before);
}
