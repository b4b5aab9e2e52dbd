/**
 * Assembles the files of which only parts were carried: from their staged bytes, and from the files that they replace.
 * It compares each run of bytes with its check, so an old file that is another by now never ends in a new one.
 */
import { chmodSync, closeSync, constants, copyFileSync, fstatSync, ftruncateSync, rmSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { kindOf } from '../../../base/file-stat.ts';
import { joinPath, printable } from '../../../base/safe-path.ts';
import { type Assembly, rangesInOrder } from '../../../manifest/assembly.ts';
import { type CutIds, loadCutIds } from '../../../manifest/cut-ids.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { isKeptTime } from '../../../manifest/entry-time.ts';
import { compareChecks } from '../../../manifest/file-checks.ts';
import { assembledName, chunkPlace } from '../staging/staged-names.ts';
import { splitPath } from '../tree/lookup.ts';
import { readPieces } from '../tree/read-pieces.ts';
import { makeNew } from './prepare-entry.ts';
import { publishError, type Publication, targetOf } from './publication.ts';
import { isAdding } from './put-into.ts';
import { type SourceRange, writeAssembled } from './write-assembled.ts';

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** One file that is to be assembled. */
interface Subject {
  readonly entryIndex: number;
  readonly entry: Entry;
  readonly assembly: Assembly;
}

/**
 * Assembles all such files in the staging folder; those that an earlier run has published stay as they are.
 *
 * @throws CairnError `chunks-missing` with `details.entries` where an old file has other bytes by now; storage codes
 */
export async function assembleFiles(publication: Publication): Promise<void> {
  const { transfer, order } = publication;
  if (transfer.assemblies === undefined) return;
  if (isAdding(publication)) throw new CairnError('internal', 'files that stay as they are have no parts');
  const ids = await loadCutIds(transfer.manifest.digest);
  for (const [entryIndex, assembly] of transfer.assemblies) {
    if (order.isExcluded(entryIndex)) continue;
    const entry = transfer.manifest.entries.at(entryIndex)!;
    try {
      await assembleOne(publication, { entryIndex, entry, assembly }, ids);
    } catch (error) {
      throw publishError(error, targetOf(publication, entry));
    }
  }
}

async function assembleOne(publication: Publication, subject: Subject, ids: CutIds): Promise<void> {
  const old = openOld(publication, subject.entry);
  try {
    const { folder } = publication;
    const name = assembledName(subject.entryIndex);
    if (await isPublished(publication, subject, old, ids)) {
      // A leftover of an interrupted run must not go into its place.
      rmSync(folder.at(name), { force: true });
      return;
    }
    // In a clone no run of zeros could become a hole.
    const made = makeAssembled(folder, name, { basis: publication.isSparse ? undefined : old, subject });
    try {
      await assemble(publication, subject, { ...made, old }, ids);
    } finally {
      closeSync(made.fd);
    }
  } finally {
    if (old !== undefined) publication.replaced.hold(old, fstatSync(old).size);
  }
}

/** A new file, and the one that it replaces. */
interface Files {
  readonly fd: number;
  readonly old: number | undefined;
  /** Whether the new file begins as a clone of the old one. */
  readonly isCloned: boolean;
}

/** Makes the new file: a clone of `basis` where that spares most of the writing, and the file system can. */
function makeAssembled(
  folder: Directory,
  name: string,
  { basis, subject: { assembly } }: { readonly basis: number | undefined; readonly subject: Subject },
): Omit<Files, 'old'> {
  const { sizeBytes } = assembly.recipe;
  if (basis !== undefined && 2 * keptBytesOf(assembly) > sizeBytes && cloneTo(folder, name, basis)) {
    const fd = folder.openFile(name, constants.O_RDWR | constants.O_NOFOLLOW);
    ftruncateSync(fd, sizeBytes);
    return { fd, isCloned: true };
  }
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  return { fd: makeNew(folder, name, () => folder.openFile(name, flags, 0o600)), isCloned: false };
}

/** The bytes of a new file that are at the same place in the old one. */
function keptBytesOf({ copied }: Assembly): number {
  let bytes = 0;
  for (let at = 0; at < copied.length; at += 3) if (copied[at] === copied[at + 2]) bytes += copied[at + 1]!;
  return bytes;
}

function cloneTo(folder: Directory, name: string, basis: number): boolean {
  if (process.platform !== 'linux') return false;
  const mode = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE;
  try {
    makeNew(folder, name, () => copyFileSync(`/proc/self/fd/${basis}`, folder.at(name), mode));
    chmodSync(folder.at(name), 0o600);
    return true;
  } catch {
    return false; // most file systems cannot; a failure of another kind comes again with the bytes
  }
}

async function assemble(
  publication: Publication,
  subject: Subject,
  files: Files,
  ids: CutIds,
): Promise<void> {
  const staged = openCarried(publication, subject.entryIndex);
  try {
    const check = compareChecks(subject.assembly.recipe, ids);
    const ranges = sourceRanges(subject.assembly, files, staged);
    const bytes = await writeAssembled(files.fd, ranges, {
      isSparse: publication.isSparse,
      check: check.update,
    });
    if (bytes === undefined || !check.isWhole()) throw isStale(publication, subject);
    if (publication.isSparse) ftruncateSync(files.fd, bytes);
  } finally {
    if (staged !== undefined) closeSync(staged.fd);
  }
}

/** Where the bytes of the new file come from, in order; less than all of it where a file is not there. */
function* sourceRanges(
  assembly: Assembly,
  { fd, old, isCloned }: Files,
  staged: Staged | undefined,
): Generator<SourceRange> {
  let at = 0;
  for (const { isCarried, from, lengthBytes } of rangesInOrder(assembly)) {
    const isInPlace = isCloned && !isCarried && from === at;
    const source = isCarried ? staged?.fd : isInPlace ? fd : old;
    if (source === undefined) return;
    yield { fd: source, from: from + (isCarried ? staged!.offset : 0), lengthBytes, isInPlace };
    at += lengthBytes;
  }
}

interface Staged {
  readonly fd: number;
  /** Where the carried bytes of the entry begin. */
  readonly offset: number;
}

/** The staged file that has the carried bytes of an entry. */
function openCarried({ transfer, folder }: Publication, entryIndex: number): Staged | undefined {
  const { layout } = transfer;
  const { first, count } = layout.chunksOf(entryIndex);
  if (count === 0) return undefined;
  const { fileName } = chunkPlace(transfer, first);
  try {
    return { fd: folder.openFile(fileName, READ_FLAGS), offset: layout.chunkOffsetOf(entryIndex) };
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `reading "${fileName}"`);
    const runs = [first, count];
    throw new CairnError('chunks-missing', `the staged bytes of entry ${entryIndex} are gone`, {
      cause: error,
      details: { runs },
    });
  }
}

/** The file that an entry replaces; undefined where there is none. */
function openOld(publication: Publication, entry: Entry): number | undefined {
  const { parent, name } = splitPath(joinPath(publication.transfer.target, entry.path));
  const cursor = new DirectoryCursor(publication.root);
  let fd: number | undefined;
  try {
    fd = cursor.enter(parent).openFile(name, READ_FLAGS);
    if (kindOf(fstatSync(fd, { bigint: true })) === 'file') return fd;
    closeSync(fd);
    return undefined;
  } catch (error) {
    const isAbsent =
      error instanceof CairnError
        ? ['not-found', 'not-directory', 'symlink-refused'].includes(error.code)
        : ['ENOENT', 'ELOOP', 'ENXIO'].includes(systemCodeOf(error) ?? '');
    if (isAbsent) return undefined;
    throw error;
  } finally {
    cursor.close();
  }
}

/** Whether an interrupted run has put the file in its place: size and time say so, and all of its checks. */
async function isPublished(
  publication: Publication,
  { entry, assembly }: Subject,
  old: number | undefined,
  ids: CutIds,
): Promise<boolean> {
  if (old === undefined) return false;
  const stat = fstatSync(old, { bigint: true });
  if (stat.size !== BigInt(entry.sizeBytes)) return false;
  if (!isKeptTime(entry.mtimeNs, stat.mtimeNs, publication.times.resolutionNs)) return false;
  const check = compareChecks(assembly.recipe, ids);
  for await (const piece of readPieces(old, 0, entry.sizeBytes)) {
    if (!check.update(piece)) return false;
    await publication.breathe();
  }
  return check.isWhole();
}

function isStale(publication: Publication, { entry, entryIndex }: Subject): CairnError {
  const path = targetOf(publication, entry);
  const message = `"${printable(path)}" changed at the destination since it was compared; the file has to be sent whole`;
  return new CairnError('chunks-missing', message, { details: { path, entries: [entryIndex] } });
}
