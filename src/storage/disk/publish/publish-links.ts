/** Further names of published files (hard links), each put in its place as files are: complete first, then renamed. */
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  unlinkSync,
} from 'node:fs';
import { writeFullySync } from '../../../base/durable-files.ts';
import { writeSparselySync } from '../../../base/zero-runs.ts';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { type FileStat, kindOf } from '../../../base/file-stat.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import { indexOfPath } from '../../../manifest/hard-links.ts';
import { splitPath } from '../tree/lookup.ts';
import { readPieces } from '../tree/read-pieces.ts';
import { preparedName } from '../staging/staged-names.ts';
import { noteDevice, type Publication, publishedEntries, publishError, targetOf } from './publication.ts';
import { place, stagedAt } from './publish-files.ts';
import { removeLeftover } from './move-across.ts';
import { NO_LINKS, putInto, wasAdded } from './put-into.ts';
import type { FinalPlace } from './final-place.ts';

const GUARDS = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Gives published files their further names; those that they have already stay. @throws CairnError storage codes */
export async function publishLinks(publication: Publication): Promise<void> {
  const isToBeLinked = (type: EntryType, index: number): boolean =>
    type === 'hardlink' && !publication.whole.isDone(index);
  for (const [index, entry] of publishedEntries(publication, isToBeLinked)) {
    const path = targetOf(publication, entry);
    try {
      await publishLink(publication, index, entry, path);
    } catch (error) {
      publication.refused.refuse(index, publishError(error, path));
    }
    await publication.breathe();
  }
}

/** A file in an open directory, as it was looked at there. */
interface FoundFile extends FinalPlace {
  readonly stat: FileStat;
}

async function publishLink(
  publication: Publication,
  index: number,
  entry: Entry,
  path: string,
): Promise<void> {
  const firstIndex = firstOf(publication, index, entry);
  const staged = { directory: publication.folder, name: preparedName(index) };
  if (publication.order.existing === 'renamed') {
    // Where the first one got another name, nobody knows it any more.
    if (wasAdded(staged)) return;
    return placeCopy(publication, stagedAt(publication, firstIndex), { index, firstIndex, path });
  }
  const { cursor, native } = publication;
  const { parent, name } = splitPath(path);
  const first = findFirst(publication, firstIndex);
  try {
    const to = { directory: cursor.enter(parent), name };
    if (publication.syncFileSystem === undefined) publication.touched.add(parent);
    noteDevice(publication, to.directory, first.stat.dev);
    const there = to.directory.look(name, native?.statAt);
    if (there?.ino === first.stat.ino && there.dev === first.stat.dev) return;
    const beside = { directory: to.directory, name: `.cairn-${publication.id}-${index}.tmp` };
    for (const from of [staged, beside]) {
      if (await isLinked(publication, { first, from, to }, { entryIndex: index, entry })) return;
    }
    publication.metadata?.unkept.note('hard-links', index, noLinks(path));
    await placeCopy(publication, first, { index, firstIndex, path });
  } finally {
    first.directory.close();
  }
}

/** The file, the place where its further name is made first, and that of the name. */
interface LinkPlaces {
  readonly first: FoundFile;
  readonly from: FinalPlace;
  readonly to: FinalPlace;
}

/** Links a file by way of one place; false where that place is on another file system than the file or its new name. */
async function isLinked(
  publication: Publication,
  { first, from, to }: LinkPlaces,
  { entryIndex, entry }: { readonly entryIndex: number; readonly entry: Entry },
): Promise<boolean> {
  if (!linkTo(first, from)) return false;
  const path = from.directory.at(from.name);
  try {
    await putInto(publication, { entryIndex, entry, stagedName: from.name, fd: undefined }, from, to);
  } catch (error) {
    removeLeftover(path);
    if (systemCodeOf(error) === 'EXDEV') return false;
    throw error;
  }
  // Where a name was added, and not moved, the staged one is still there; staging is removed with all in it.
  if (from.directory !== publication.folder) removeLeftover(path);
  return true;
}

/** The index of the file that is to have a further name. @throws CairnError `not-found` where it is not in its place */
function firstOf({ transfer, order, refused }: Publication, index: number, { linkTarget }: Entry): number {
  const first = indexOfPath(transfer.manifest.entries, linkTarget, index);
  if (first !== undefined && !order.isExcluded(first) && !refused.has(first)) return first;
  const message = `the file that it is a further name of, "${printable(linkTarget)}", was not put in its place`;
  throw new CairnError('not-found', message);
}

/** Looks at the file that was published; close its directory. @throws CairnError `not-found` for anything else */
function findFirst(publication: Publication, firstIndex: number): FoundFile {
  const path = targetOf(publication, publication.transfer.manifest.entries.at(firstIndex)!);
  const { parent, name } = splitPath(path);
  const directory = publication.cursor.enter(parent).reopen();
  const stat = directory.look(name, publication.native?.statAt);
  if (stat !== undefined && kindOf(stat) === 'file') return { directory, name, stat };
  directory.close();
  throw new CairnError(
    'not-found',
    `"${printable(path)}", which it is a further name of, is no file any more`,
  );
}

/**
 * Gives a file a further name, never by way of a symbolic link; false where its file system cannot do so there.
 *
 * @throws system errors; CairnError `storage-io` where another file has taken its place meanwhile
 */
function linkTo({ directory, name, stat }: FoundFile, to: FinalPlace): boolean {
  const path = to.directory.at(to.name);
  removeLeftover(path);
  try {
    linkSync(directory.at(name), path);
  } catch (error) {
    const system = systemCodeOf(error) ?? '';
    if (system === 'EXDEV' || NO_LINKS.has(system)) return false;
    throw error;
  }
  const made = lstatSync(path, { bigint: true });
  if (made.ino === stat.ino && made.dev === stat.dev) return true;
  unlinkSync(path);
  throw new CairnError(
    'storage-io',
    `"${printable(name)}" was exchanged while it was published; run it again`,
  );
}

/** Puts a copy of a file in the place of its further name. */
async function placeCopy(
  publication: Publication,
  from: FinalPlace,
  { index, firstIndex, path }: { readonly index: number; readonly firstIndex: number; readonly path: string },
): Promise<void> {
  const { folder, transfer, metadata, isSparse, times, modeOf } = publication;
  const entry = {
    ...transfer.manifest.entries.at(firstIndex)!,
    path: transfer.manifest.entries.pathOf(index),
  };
  const staged = { directory: folder, name: preparedName(index) };
  removeLeftover(folder.at(staged.name));
  const source = from.directory.openFile(from.name, constants.O_RDONLY | GUARDS);
  try {
    const fd = makeFile(staged);
    try {
      const write = isSparse ? writeSparselySync : writeFullySync;
      let at = 0;
      for await (const piece of readPieces(source, 0, Number.MAX_SAFE_INTEGER)) at += write(fd, piece, at);
      if (isSparse) ftruncateSync(fd, at);
      metadata?.set(index, entry, fd);
      fchmodSync(fd, modeOf(entry, undefined));
      times.set(fd, entry.mtimeNs);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(source);
  }
  await place(publication, { entryIndex: index, entry, stagedName: staged.name, fd: undefined }, path);
}

function makeFile({ directory, name }: FinalPlace): number {
  return directory.openFile(name, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | GUARDS, 0o600);
}

function noLinks(path: string): CairnError {
  return new CairnError(
    'storage-unsupported',
    `the file system makes no further name at "${printable(path)}"`,
  );
}
