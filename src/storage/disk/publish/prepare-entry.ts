/** Prepares one file or symlink in the staging folder, complete with its mode and time. */
import { chmodSync, closeSync, constants, fchmodSync, fstatSync, ftruncateSync, symlinkSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { kindOf } from '../../../base/file-stat.ts';
import { writeFullySync } from '../../../base/durable-files.ts';
import { writeSparselySync } from '../../../base/zero-runs.ts';
import { refuseStranger } from '../../../base/ownership.ts';
import type { Inode } from '../../../base/reserved-places.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { isKeptTime } from '../../../manifest/entry-time.ts';
import { splitPath } from '../tree/lookup.ts';
import type { FinalPlace } from './final-place.ts';
import type { PackedChunks } from './packed-chunks.ts';
import { finalSizeOf, type Publication, targetOf } from './publication.ts';
import { assembledName, entryName, preparedName } from '../staging/staged-names.ts';

const GUARDS = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A complete file or symlink, to be renamed into place once it is durable. */
export interface Prepared {
  readonly entryIndex: number;
  readonly entry: Entry;
  readonly stagedName: string;
  /** Open where each file is synced by itself; the sync closes it. */
  fd: number | undefined;
  /** The identity of a large entry's staged file, from its descriptor. */
  readonly inode?: Inode;
}

/** The folder in which files are prepared, and whether one sync covers all of them. */
export type PreparePlace = Pick<
  Publication,
  'folder' | 'times' | 'modeOf' | 'metadata' | 'isSparse' | 'syncFileSystem'
>;

/** The place in the staging folder of a small file or link that comes with no tree. */
function preparedAt({ folder }: PreparePlace, entryIndex: number): FinalPlace {
  return { directory: folder, name: preparedName(entryIndex) };
}

/**
 * Prepares an entry; undefined where an earlier run has already published it.
 *
 * @param at the place of a small file or symlink, if not its own in the staging folder
 * @throws CairnError `chunks-missing` where its staged bytes are gone; system errors
 */
export function prepareEntry(
  publication: Publication,
  packed: PackedChunks,
  entryIndex: number,
  entry: Entry,
  at: FinalPlace = preparedAt(publication, entryIndex),
): Prepared | undefined {
  if (entry.type === 'symlink') return prepareLink(publication, entryIndex, entry, at);
  const sizeBytes = finalSizeOf(publication, entry);
  const { layout, assemblies } = publication.transfer;
  const isAssembled = assemblies?.has(entryIndex) === true;
  if (!isAssembled && (!layout.isLarge(entryIndex) || sizeBytes === 0))
    return prepareSmall(publication, packed, entryIndex, entry, at);
  const stagedName = isAssembled ? assembledName(entryIndex) : entryName(entryIndex);
  const large = openLarge(publication, stagedName, entry, sizeBytes);
  if (large === undefined) return undefined;
  const { fd, inode } = large;
  return { entryIndex, entry, stagedName, inode, fd: dress(publication, fd, entryIndex, entry) };
}

function prepareLink(
  publication: Publication,
  entryIndex: number,
  entry: Entry,
  { directory, name: stagedName }: FinalPlace,
): Prepared {
  const path = directory.at(stagedName);
  makeNew(directory, stagedName, () => symlinkSync(entry.linkTarget, path));
  publication.metadata?.set(entryIndex, entry, path);
  publication.times.setLink(path, entry.mtimeNs);
  return { entryIndex, entry, stagedName, fd: undefined };
}

/**
 * Cuts a small file out of its packed chunk, or makes an empty one.
 *
 * @throws CairnError `chunks-missing` where its staged bytes are gone; system errors
 */
export function prepareSmall(
  place: PreparePlace,
  packed: PackedChunks,
  entryIndex: number,
  entry: Entry,
  { directory, name: stagedName }: FinalPlace = preparedAt(place, entryIndex),
): Prepared {
  const pieces = packed.segmentOf(entryIndex, entry.sizeBytes);
  const fd = writeSmall(directory, stagedName, pieces, place.isSparse);
  return { entryIndex, entry, stagedName, fd: dress(place, fd, entryIndex, entry) };
}

/** Gives a file its metadata, mode and time, and closes it, unless it is synced by itself. */
function dress(
  { times, modeOf, metadata, syncFileSystem }: PreparePlace,
  fd: number,
  entryIndex: number,
  entry: Entry,
): number | undefined {
  let keep = false;
  try {
    metadata?.set(entryIndex, entry, fd);
    fchmodSync(fd, modeOf(entry, undefined));
    times.set(fd, entry.mtimeNs);
    keep = syncFileSystem === undefined;
  } finally {
    if (!keep) closeSync(fd);
  }
  return keep ? fd : undefined;
}

/** Makes a file that must be new; replaces the leftover of an interrupted run. */
export function makeNew<T>(directory: Directory, name: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error;
  }
  directory.removeFile(name);
  return make();
}

function writeSmall(
  directory: Directory,
  name: string,
  pieces: Iterable<Uint8Array>,
  isSparse: boolean,
): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | GUARDS;
  const fd = makeNew(directory, name, () => directory.openFile(name, flags, 0o600));
  try {
    let at = 0;
    const write = isSparse ? writeSparselySync : writeFullySync;
    for (const piece of pieces) at += write(fd, piece, at);
    if (isSparse) ftruncateSync(fd, at);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Opens the staged bytes of a large file, cut to exactly its size. */
function openLarge(
  publication: Publication,
  stagedName: string,
  entry: Entry,
  sizeBytes: number,
): { fd: number; inode: Inode } | undefined {
  const fd = openStaged(publication.folder, stagedName);
  if (fd === undefined) {
    if (isPublished(publication, entry, sizeBytes)) return undefined;
    throw gone(publication, entry);
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (publication.metadata?.mayOwn(entry, Number(stat.uid)) !== true)
      refuseStranger(stat, publication.folder.show(stagedName));
    if (stat.size < sizeBytes) throw gone(publication, entry);
    // A stream that was begun again may have been longer before.
    if (stat.size > sizeBytes) ftruncateSync(fd, sizeBytes);
    return { fd, inode: stat };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openStaged(folder: Directory, name: string): number | undefined {
  try {
    return folder.openFile(name, constants.O_RDWR | GUARDS);
  } catch (error) {
    const system = systemCodeOf(error);
    if (system === 'ENOENT') return undefined;
    if (system !== 'EACCES') throw error;
  }
  // An interrupted run has given it its final mode, which may lock out its owner.
  chmodSync(folder.at(name), 0o600);
  return folder.openFile(name, constants.O_RDWR | GUARDS);
}

/** Whether the file at the final path is one that an interrupted run has renamed there. */
function isPublished(publication: Publication, entry: Entry, sizeBytes: number): boolean {
  const { parent, name } = splitPath(targetOf(publication, entry));
  const directory = publication.cursor.enter(parent);
  const stat = directory.look(name, publication.native?.statAt);
  if (stat === undefined || kindOf(stat) !== 'file' || stat.size !== BigInt(sizeBytes)) return false;
  return isKeptTime(entry.mtimeNs, stat.mtimeNs, publication.times.resolutionNs);
}

function gone(publication: Publication, entry: Entry): CairnError {
  const path = targetOf(publication, entry);
  return new CairnError('chunks-missing', `the staged bytes of "${printable(path)}" are gone`, {
    details: { path },
  });
}
