/** Builds the tree of a new directory in the staging folder. */
import { rmdirSync } from 'node:fs';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { isFarTime } from '../../../manifest/entry-time.ts';
import type { NewTree, NewTrees } from '../staging/new-trees.ts';
import type { PackedChunks } from './packed-chunks.ts';
import { type Prepared, prepareEntry } from './prepare-entry.ts';
import { type Publication, publishError, targetOf } from './publication.ts';
import { isSmall } from './publish-files.ts';

/** Entries between two reports of progress. */
const REPORT_ENTRIES = 2048;

/** Whether an entry belongs in a tree. */
export function isPublished({ order, refused, deferred }: Publication, entryIndex: number): boolean {
  if (order.isExcluded(entryIndex) || order.isPresent(entryIndex)) return false;
  return !refused.has(entryIndex) && !deferred.has(entryIndex);
}

/** A tree that has all but its large files. */
export interface FilledTree {
  readonly tree: NewTree;
  /** Complete, under their staged names. */
  readonly large: readonly Prepared[];
  /** Entries with a time that not every file system keeps. */
  readonly far: ReadonlySet<number>;
}

/**
 * Makes all directories, symbolic links and small files of a tree that are to be published and are not in it yet.
 *
 * @throws CairnError `chunks-missing`, storage codes
 */
export async function fillTree(
  publication: Publication,
  trees: NewTrees,
  tree: NewTree,
  packed: PackedChunks,
): Promise<FilledTree> {
  const { transfer, order, refused } = publication;
  const large: Prepared[] = [];
  const far = new Set<number>();
  for (let index = tree.first; index < tree.end; index += 1) {
    if (!isPublished(publication, index)) continue;
    const entry = transfer.manifest.entries.at(index)!;
    if (entry.type !== 'hardlink' && isFarTime(entry.mtimeNs)) far.add(index);
    try {
      if (entry.type === 'directory') trees.directoryOf(tree, entry.path);
      else if (entry.type !== 'hardlink') {
        const prepared = prepare(publication, trees, packed, index, entry);
        if (prepared !== undefined) large.push(prepared);
      }
    } catch (error) {
      const failure = publishError(error, targetOf(publication, entry));
      // What is still under its staged name does not concern its own place.
      if (entry.type === 'file' && !isSmall(publication, index)) throw failure;
      refused.refuse(index, failure);
    }
    if ((index - tree.first) % REPORT_ENTRIES === REPORT_ENTRIES - 1) order.onProgress?.(index);
    await publication.breathe();
  }
  removeLeftOut(publication, trees, tree);
  return { tree, large, far };
}

/** Puts a file or link into its tree, unless it was cut out ahead; answers a large file, which is moved there later. */
function prepare(
  publication: Publication,
  trees: NewTrees,
  packed: PackedChunks,
  index: number,
  entry: Entry,
): Prepared | undefined {
  if (publication.ahead?.has(index) === true) return undefined;
  if (isSmall(publication, index)) {
    prepareEntry(publication, packed, index, entry, trees.placeOf(trees.of(index)!, entry.path));
    return undefined;
  }
  const prepared = prepareEntry(publication, packed, index, entry);
  if (prepared !== undefined) return prepared;
  throw new CairnError('internal', `entry ${index} was published before its directory`);
}

/** Removes what was cut out ahead of entries that turned out to be left out, and directories that are empty so. */
function removeLeftOut(publication: Publication, trees: NewTrees, tree: NewTree): void {
  const { entries } = publication.transfer.manifest;
  for (let index = tree.end - 1; index > tree.first; index -= 1) {
    if (isPublished(publication, index)) continue;
    const isDirectory = entries.typeOf(index) === 'directory';
    if (!isDirectory && publication.ahead?.has(index) !== true) continue;
    try {
      const { directory, name } = trees.placeOf(tree, entries.pathOf(index));
      if (isDirectory) rmdirSync(directory.at(name));
      else directory.removeFile(name);
    } catch (error) {
      // It was not made, or has entries that are published.
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(systemCodeOf(error) ?? '')) throw error;
    }
  }
}
