/**
 * Assembles the files of which only parts were carried: from their staged bytes, and from the files that they replace.
 * It compares each run of bytes with its check, so an old file that is another by now never ends in a new one.
 */
import { closeSync, constants, fstatSync, ftruncateSync, rmSync } from 'node:fs';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { writeFullySync } from '../../../base/durable-files.ts';
import { kindOf } from '../../../base/file-stat.ts';
import { joinPath, printable } from '../../../base/safe-path.ts';
import { writeSparselySync } from '../../../base/zero-runs.ts';
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
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const fd = makeNew(folder, name, () => folder.openFile(name, flags, 0o600));
    try {
      let at = 0;
      const write = publication.isSparse ? writeSparselySync : writeFullySync;
      const check = compareChecks(subject.assembly.recipe, ids);
      for await (const piece of bytesOf(publication, subject, old)) {
        at += write(fd, piece, at);
        if (!check.update(piece)) throw isStale(publication, subject);
        await publication.breathe();
      }
      if (!check.isWhole()) throw isStale(publication, subject);
      if (publication.isSparse) ftruncateSync(fd, at);
    } finally {
      closeSync(fd);
    }
  } finally {
    if (old !== undefined) closeSync(old);
  }
}

/** The bytes of the new file in order; fewer where the old file has not got all of them. */
async function* bytesOf(
  publication: Publication,
  { entryIndex, assembly }: Subject,
  old: number | undefined,
): AsyncGenerator<Uint8Array> {
  const staged = openCarried(publication, entryIndex);
  try {
    for (const { isCarried, from, lengthBytes } of rangesInOrder(assembly)) {
      const fd = isCarried ? staged?.fd : old;
      const start = from + (isCarried ? (staged?.offset ?? 0) : 0);
      if (fd === undefined) return;
      yield* readPieces(fd, start, start + lengthBytes);
    }
  } finally {
    if (staged !== undefined) closeSync(staged.fd);
  }
}

/** The staged file that has the carried bytes of an entry, and where they begin in it. */
function openCarried(
  { transfer, folder }: Publication,
  entryIndex: number,
): { fd: number; offset: number } | undefined {
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
