/** Chunks that the journal claims and no staged file has: the file is too short, or gone. */
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
import { chunkPlace, firstEntryOf, isLarge } from './staged-names.ts';

/** What looking for a published file may say where something else is in its place. */
const NOT_PUBLISHED: ReadonlySet<ErrorCode> = new Set(['symlink-refused', 'storage-unsupported']);

/** Where staged files are, and where they go. */
export interface ClaimedPlace {
  /** The root of the store; borrowed. */
  readonly root: Directory;
  /** The staging folder; borrowed. */
  readonly folder: Directory;
  readonly times: Pick<FileTimes, 'resolutionNs'>;
}

/**
 * Finds those of `claimed` that have no bytes in the staging folder, by one lstat a file. With `orPublished` a file is not
 * missed that is gone from there and seems to be at its final path, where an interrupted commit has moved it: before it
 * goes on it hashes it there.
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
      const isElsewhere = sizeBytes === undefined && orPublished && isPublished(place, transfer, chunk);
      if (!isElsewhere) addShort(missing, transfer, { from: chunk, last, sizeBytes: sizeBytes ?? 0 });
      chunk = last + 1;
    }
    // A journal that lies may speak of chunks that the layout does not have.
    const beyond = Math.max(chunkCount, start);
    if (end > beyond) missing.addRun(beyond, end - beyond);
  }
  return missing;
}

/** One more than the last chunk that is in the same file. */
function endOfFile(transfer: IncomingTransfer, chunk: number): number {
  const entryIndex = firstEntryOf(transfer, chunk);
  if (!isLarge(transfer, entryIndex)) return chunk + 1;
  const { first, count } = transfer.layout.chunksOf(entryIndex);
  return first + count;
}

/** Adds the chunks of a run within one file that end behind its end. */
function addShort(
  missing: ChunkSet,
  transfer: IncomingTransfer,
  { from, last, sizeBytes }: { from: number; last: number; sizeBytes: number },
): void {
  for (let chunk = last; chunk >= from; chunk -= 1) {
    const { fileOffset, lengthBytes, mayBeShorter } = chunkPlace(transfer, chunk);
    // Only the last chunk of a stream is short, and how short nobody knows any more.
    const leastBytes = mayBeShorter && chunk === last ? 1 : lengthBytes;
    if (fileOffset + leastBytes <= sizeBytes) return;
    missing.add(chunk);
  }
}

/** Whether the file of a chunk is at its final path, as far as size and time can tell. */
function isPublished({ root, times }: ClaimedPlace, transfer: IncomingTransfer, chunk: number): boolean {
  const entryIndex = firstEntryOf(transfer, chunk);
  const entry = transfer.manifest.entries.at(entryIndex);
  if (entry === undefined || !isLarge(transfer, entryIndex)) return false;
  const there = lookUp(root, joinPath(transfer.target, entry.path));
  if (there?.type !== 'file') return false;
  const isOfItsTime = isKeptTime(entry.mtimeNs, there.mtimeNs, times.resolutionNs);
  return isOfItsTime && (entry.type === 'stream' || there.sizeBytes === entry.sizeBytes);
}

function lookUp(root: Directory, path: string): Entry | undefined {
  const finder = new PathFinder(root);
  try {
    return finder.find(path)?.entry;
  } catch (error) {
    // Where it cannot be, it is not.
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
 * What to throw where publishing failed. For `chunks-missing` the journal claims no longer what is not staged, and
 * `details.runs` name it, so that it is sent again. That goes for files that were moved to their final paths, too: a client that sends
 * again may send other bytes, and these must not meet a file that is whole only in the journal.
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
