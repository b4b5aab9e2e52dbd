/** Chunks that the journal records but no staged file has: the file is too short, or gone. */
import { lstatSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, type ErrorCode, storageError } from '../../../base/errors.ts';
import { joinPath, printable } from '../../../base/safe-path.ts';
import type { CheckpointLog } from '../../../checkpoint/checkpoint-log.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { isKeptTime } from '../../../manifest/entry-time.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import type { FileTimes } from '../tree/file-times.ts';
import { PathFinder } from '../tree/lookup.ts';
import { listFolder } from './examine-staging.ts';
import { pathInTree, treeFrom } from './new-trees.ts';
import { chunkPlace, firstEntryOf, treeOfName } from './staged-names.ts';

/** The errors of looking for a published file where another file is in its place. */
const NOT_PUBLISHED: ReadonlySet<ErrorCode> = new Set(['symlink-refused', 'storage-unsupported']);

/** The place of staged files, and their destination. */
export interface ClaimedPlace {
  /** The root of the store; borrowed. */
  readonly root: Directory;
  /** The staging folder; borrowed. */
  readonly folder: Directory;
  readonly times: Pick<FileTimes, 'resolutionNs'>;
}

/**
 * Finds those of `claimed` that have no bytes in the staging folder, by one lstat per file. With `orPublished` it
 * accepts a missing file that seems to be at its final path, where an interrupted commit has moved it; the commit
 * hashes it there before it continues.
 *
 * @throws CairnError, storage codes
 */
export function findMissing(
  place: ClaimedPlace,
  transfer: IncomingTransfer,
  { claimed, orPublished }: { readonly claimed: ReadonlyChunkSet; readonly orPublished: boolean },
): ChunkSet {
  const missing = new ChunkSet();
  const { chunkCount } = transfer.layout;
  const runs = claimed.runs();
  for (let index = 0; index < runs.length; index += 2) {
    const start = runs[index]!;
    const end = start + runs[index + 1]!;
    for (let chunk = start; chunk < Math.min(end, chunkCount);) {
      const last = Math.min(end, endOfFile(transfer, chunk)) - 1;
      const sizeBytes = sizeOf(place.folder, chunkPlace(transfer, chunk).fileName);
      const isElsewhere =
        sizeBytes === undefined &&
        orPublished &&
        (isPublished(place, transfer, chunk) || isInTree(place, transfer, firstEntryOf(transfer, chunk)));
      if (!isElsewhere) addShort(missing, transfer, { from: chunk, last, sizeBytes: sizeBytes ?? 0 });
      chunk = last + 1;
    }
    // A damaged journal may name chunks that the layout does not have.
    const beyond = Math.max(chunkCount, start);
    if (end > beyond) missing.addRun(beyond, end - beyond);
  }
  return missing;
}

/** One more than the last chunk that is in the same file. */
function endOfFile(transfer: IncomingTransfer, chunk: number): number {
  const entryIndex = firstEntryOf(transfer, chunk);
  if (!transfer.layout.isLarge(entryIndex)) return chunk + 1;
  const { first, count } = transfer.layout.chunksOf(entryIndex);
  return first + count;
}

/** Adds the chunks of a run within one file that reach behind its end. */
function addShort(
  missing: ChunkSet,
  transfer: IncomingTransfer,
  { from, last, sizeBytes }: { from: number; last: number; sizeBytes: number },
): void {
  for (let chunk = last; chunk >= from; chunk -= 1) {
    const { fileOffset, lengthBytes, mayBeShorter } = chunkPlace(transfer, chunk);
    // Only the last chunk of a stream is short, and its length is unknown by now.
    const leastBytes = mayBeShorter && chunk === last ? 1 : lengthBytes;
    if (fileOffset + leastBytes <= sizeBytes) return;
    missing.add(chunk);
  }
}

/** Whether the file of a chunk is at its final path, as far as size and time can tell. */
function isPublished({ root, times }: ClaimedPlace, transfer: IncomingTransfer, chunk: number): boolean {
  const entryIndex = firstEntryOf(transfer, chunk);
  const entry = transfer.manifest.entries.at(entryIndex);
  // The carried parts of a file stay staged until the end.
  const isOwnFile = transfer.layout.isLarge(entryIndex) && transfer.assemblies?.has(entryIndex) !== true;
  if (entry === undefined || !isOwnFile) return false;
  const there = lookUp(root, joinPath(transfer.target, entry.path));
  if (there?.type !== 'file') return false;
  const isOfItsTime = isKeptTime(entry.mtimeNs, there.mtimeNs, times.resolutionNs);
  return isOfItsTime && (entry.type === 'stream' || there.sizeBytes === entry.sizeBytes);
}

/**
 * Whether an interrupted publishing has moved a large file into the tree of a new directory, from which the next one
 * takes it back: seen by a check that changes nothing.
 */
function isInTree({ folder }: ClaimedPlace, transfer: IncomingTransfer, entryIndex: number): boolean {
  const { entries } = transfer.manifest;
  if (!transfer.layout.isLarge(entryIndex)) return false;
  return listFolder(folder).some((name) => {
    const first = treeOfName(name);
    if (first === undefined || first >= entryIndex) return false;
    const tree = treeFrom(entries, first);
    if (entryIndex >= tree.end) return false;
    const path = pathInTree(entries, tree, entries.pathOf(entryIndex));
    return lookUp(folder, joinPath(name, path))?.sizeBytes === entries.sizeOf(entryIndex);
  });
}

function lookUp(root: Directory, path: string): Entry | undefined {
  const finder = new PathFinder(root);
  try {
    return finder.find(path)?.entry;
  } catch (error) {
    // A path where the file cannot be does not have it.
    if (error instanceof CairnError && NOT_PUBLISHED.has(error.code)) return undefined;
    throw error;
  } finally {
    finder.close();
  }
}

function sizeOf(folder: Directory, name: string): number | undefined {
  try {
    const stat = lstatSync(folder.at(name), { throwIfNoEntry: false });
    return stat?.isFile() === true ? stat.size : undefined;
  } catch (error) {
    throw storageError(error, `looking at staged data "${printable(folder.show(name))}"`);
  }
}

/**
 * The error to throw where publishing failed. For `chunks-missing` it withdraws the record of missing chunks, and names
 * them in `details.runs`, so that the client sends them again. That includes files that were moved to their final
 * paths: the client may send other bytes now, which must not meet a file that is whole only in the journal.
 *
 * @throws CairnError, storage codes
 */
export async function withdrawMissing(
  place: ClaimedPlace & { readonly log: CheckpointLog },
  transfer: IncomingTransfer,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof CairnError) || error.code !== 'chunks-missing') return error;
  const { log } = place;
  const missing = findMissing(place, transfer, { claimed: log.digests.chunks, orPublished: false });
  if (missing.size > 0) await log.append({ forget: [...missing.values()] });
  const { runs } = error.details;
  const named = ChunkSet.fromRuns(Array.isArray(runs) ? (runs as number[]) : [], transfer.layout.chunkCount);
  named.addAll(missing);
  if (named.size === 0) return error;
  const details = { ...error.details, runs: named.runs() };
  return new CairnError('chunks-missing', error.message, { cause: error, details });
}
