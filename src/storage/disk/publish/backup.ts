/** Keeps files and links that are replaced or removed, under the same paths in another directory. */
import { linkSync, readlinkSync } from 'node:fs';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { kindOf } from '../../../base/file-stat.ts';
import { joinPath, printable } from '../../../base/safe-path.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { freshNames } from '../../fresh-names.ts';
import { splitPath } from '../tree/lookup.ts';
import { foundEntry } from '../tree/found-entry.ts';
import type { FinalPlace } from './final-place.ts';

/** The directory that a publication keeps replaced and removed entries in. */
export interface Backup {
  readonly path: string;
  /** Makes what is missing. */
  readonly cursor: DirectoryCursor;
  /** Directories whose names changed, by their paths. */
  readonly touched: Set<string>;
}

/** Opens the backup of an order below `root`; undefined where it has none. */
export function openBackup(root: Directory, path: string | undefined): Backup | undefined {
  if (path === undefined) return undefined;
  return { path, cursor: new DirectoryCursor(root, { create: true, sync: true }), touched: new Set() };
}

/**
 * Gives the file or link that an entry is about to replace a second name in the backup, so that its place never stands
 * empty. Nothing for a directory, and for what an interrupted call has published already.
 *
 * @throws system errors; CairnError `storage-unsupported`
 */
export function keepReplaced(
  backup: Backup | undefined,
  { entry, finalSizeBytes }: { readonly entry: Entry; readonly finalSizeBytes: number },
  { directory, name }: FinalPlace,
): void {
  if (backup === undefined) return;
  const stat = directory.look(name, undefined);
  const kind = stat === undefined ? undefined : kindOf(stat);
  if (stat === undefined || (kind !== 'file' && kind !== 'symlink')) return;
  const linkTarget = kind === 'symlink' ? readlinkSync(directory.at(name)) : '';
  const found = foundEntry(entry.path, kind, stat, linkTarget).entry;
  const isPublished =
    found.type === entry.type &&
    found.sizeBytes === finalSizeBytes &&
    found.mtimeNs === entry.mtimeNs &&
    found.linkTarget === entry.linkTarget;
  if (!isPublished) linkInto(backup, entry.path, { directory, name });
}

/** Removes a file or link from its place, and keeps it in the backup, if there is one. @throws like {@link keepReplaced} */
export function removeFrom(backup: Backup | undefined, path: string, place: FinalPlace): void {
  if (backup !== undefined) linkInto(backup, path, place);
  place.directory.removeFile(place.name);
}

/** Makes the backup durable. @throws CairnError, storage codes */
export function syncBackup(backup: Backup | undefined): void {
  for (const path of backup?.touched ?? []) backup?.cursor.enter(path).sync();
}

/** @param path relative to the target */
function linkInto(backup: Backup, path: string, from: FinalPlace): void {
  const { parent, name } = splitPath(path === '' ? from.name : path);
  const at = joinPath(backup.path, parent);
  const directory = backup.cursor.enter(at);
  backup.touched.add(at);
  for (const fresh of freshNames(name)) if (isLinked(from, { directory, name: fresh })) return;
}

/** Whether an entry has a second name by now; false where that name is taken by another one. */
function isLinked(from: FinalPlace, to: FinalPlace): boolean {
  try {
    linkSync(from.directory.at(from.name), to.directory.at(to.name));
    return true;
  } catch (error) {
    const system = systemCodeOf(error) ?? '';
    if (system === 'EEXIST') return isSame(from, to);
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(system)) throw error;
    const message = `"${printable(from.name)}" cannot be kept in the directory for backups: the file system has no hard links`;
    throw new CairnError('storage-unsupported', message, { cause: error });
  }
}

/** An interrupted call may have made it. */
function isSame(a: FinalPlace, b: FinalPlace): boolean {
  const [one, other] = [a, b].map(({ directory, name }) => directory.look(name, undefined));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}
