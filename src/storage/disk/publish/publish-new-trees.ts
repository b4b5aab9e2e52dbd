/** Publishes the trees of new directories, each by one rename, once all in it is complete and durable. */
import { fstatSync, linkSync } from 'node:fs';
import { systemCodeOf } from '../../../base/errors.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { indexOfPath } from '../../../manifest/hard-links.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import { dissolveLeftovers, dissolveTree } from '../staging/dissolve-trees.ts';
import { listFolder } from '../staging/examine-staging.ts';
import type { NewTree, NewTrees } from '../staging/new-trees.ts';
import { treeName } from '../staging/staged-names.ts';
import { splitPath } from '../tree/lookup.ts';
import { type FilledTree, fillTree, isPublished } from './fill-new-tree.ts';
import { openNewTrees } from './find-new-trees.ts';
import { noteOtherTime } from './kept-times.ts';
import { PackedChunks } from './packed-chunks.ts';
import type { Prepared } from './prepare-entry.ts';
import { noteDevice, type Publication, publishError, targetOf } from './publication.ts';
import { setDirectory } from './publish-directories.ts';
import { checkStaged, stagedAt } from './publish-files.ts';
import { isAdding, NO_LINKS } from './put-into.ts';

/** Errors of one rename where renames of single files may work: another file system, a rule against replacing. */
const BY_ENTRY = new Set(['EXDEV', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'EACCES', 'EROFS']);

/**
 * Decides which directories are new, or takes over those for which files were cut out ahead. Where existing files stay,
 * none is: a run that finishes an interrupted one could not tell its own files from those of others.
 *
 * @throws CairnError, storage codes
 */
export async function beginTrees(publication: Publication): Promise<void> {
  const { ahead, folder, transfer, order, refused, breathe, whole } = publication;
  const isLeftOut = (index: number): boolean => order.isExcluded(index) || refused.has(index);
  if (ahead === undefined) {
    await dissolveLeftovers(folder, transfer, listFolder(folder));
    if (isAdding(publication)) return;
    whole.trees = await openNewTrees(publication, transfer, isLeftOut, breathe);
    return;
  }
  whole.trees = ahead.trees;
  for (const tree of ahead.trees.list())
    if (isAdding(publication) || isLeftOut(tree.first)) await giveUp(publication, ahead.trees, tree);
}

/**
 * Publishes each new directory with all in it. Where it has come into being meanwhile, or no rename reaches there, its
 * entries are left to be published one by one.
 *
 * @throws CairnError `chunks-missing`, storage codes
 */
export async function publishTrees(publication: Publication): Promise<void> {
  const { trees } = publication.whole;
  if (trees === undefined || trees.list().length === 0) return;
  const packed = new PackedChunks(publication);
  const filled: FilledTree[] = [];
  try {
    for (const tree of trees.list()) filled.push(await fillTree(publication, trees, tree, packed));
  } finally {
    packed.close();
  }
  await publication.syncFileSystem!(publication.folder.fd);
  publication.root.checkInPlace();
  for (const one of filled) {
    const { tree } = one;
    // Refused with all that is below it.
    if (publication.refused.has(tree.first)) await giveUp(publication, trees, tree);
    else await publishOne(publication, trees, one);
    publication.order.onProgress?.(tree.end);
    await publication.breathe();
  }
}

/** Takes trees apart that were not published, since an error ended the publishing. @throws CairnError, storage codes */
export async function endTrees(publication: Publication): Promise<void> {
  const { trees } = publication.whole;
  for (const tree of trees?.list() ?? []) await giveUp(publication, trees!, tree);
}

async function publishOne(publication: Publication, trees: NewTrees, filled: FilledTree): Promise<void> {
  const { tree, large } = filled;
  const { entries } = publication.transfer.manifest;
  const path = targetOf(publication, entries.at(tree.first)!);
  try {
    for (const prepared of large) moveInto(publication, trees, tree, prepared);
    const late = linkWithin(publication, trees, tree);
    const times = late.size === 0 ? finishTree(publication, trees, filled) : [];
    if (renameTop(publication, tree, path)) {
      trees.drop(tree);
      publication.whole.add(tree, late.size === 0 ? late : withDirectories(publication, tree, late));
      for (const { index, entry, thereNs } of times) noteOtherTime(publication, index, entry, thereNs);
      return;
    }
  } catch (error) {
    const failure = publishError(error, path);
    // Its entries are tried one by one, and each tells its own obstacle.
    if (!isOfOneEntry(failure) && !BY_ENTRY.has(systemCodeOf(error) ?? '')) throw failure;
  }
  await giveUp(publication, trees, tree);
}

/** Leaves the entries of a tree to be published one by one; those of its files that are complete stay so. */
async function giveUp(publication: Publication, trees: NewTrees, tree: NewTree): Promise<void> {
  const { folder, transfer, whole } = publication;
  const isMade = (index: number): boolean => isPublished(publication, index);
  trees.drop(tree);
  const kept = await dissolveTree(folder, transfer, tree, (index) =>
    isMade(index) && transfer.manifest.entries.typeOf(index) !== 'hardlink'
      ? stagedAt(publication, index).name
      : undefined,
  );
  whole.loosen(tree, kept);
}

function moveInto(publication: Publication, trees: NewTrees, tree: NewTree, prepared: Prepared): void {
  if (publication.refused.has(prepared.entryIndex)) return;
  checkStaged(publication, prepared);
  const { directory, name } = trees.placeOf(tree, prepared.entry.path);
  publication.native!.renameAt(publication.folder.fd, prepared.stagedName, directory.fd, name);
}

/** Makes the further names of files of the same tree; answers those that have to wait. */
function linkWithin(publication: Publication, trees: NewTrees, tree: NewTree): Set<number> {
  const { entries } = publication.transfer.manifest;
  const late = new Set<number>();
  for (let index = tree.first; index < tree.end; index += 1) {
    if (entries.typeOf(index) !== 'hardlink' || !isPublished(publication, index)) continue;
    const { path, linkTarget } = entries.at(index)!;
    const first = indexOfPath(entries, linkTarget, index);
    const isInside = first !== undefined && first >= tree.first && isPublished(publication, first);
    if (!isInside || !isLinked(trees, tree, { from: linkTarget, to: path })) late.add(index);
  }
  return late;
}

function isLinked(
  trees: NewTrees,
  tree: NewTree,
  { from, to }: { readonly from: string; readonly to: string },
): boolean {
  const first = trees.placeOf(tree, from);
  const directory = first.directory.reopen();
  try {
    const place = trees.placeOf(tree, to);
    linkSync(directory.at(first.name), place.directory.at(place.name));
    return true;
  } catch (error) {
    const system = systemCodeOf(error) ?? '';
    if (NO_LINKS.has(system)) return false;
    throw error;
  } finally {
    directory.close();
  }
}

/** All directories of a tree besides: further entries that come into them change their times once more. */
function withDirectories(
  { transfer }: Publication,
  { first, end }: NewTree,
  late: ReadonlySet<number>,
): Set<number> {
  const open = new Set(late);
  for (let index = first; index < end; index += 1)
    if (transfer.manifest.entries.typeOf(index) === 'directory') open.add(index);
  return open;
}

/** The time that an entry has got, where its file system may be unable to keep the one it should have. */
interface FoundTime {
  readonly index: number;
  readonly entry: Entry;
  readonly thereNs: bigint;
}

/**
 * Gives the directories below the top their modes and times, the deepest first, and looks at times that may not be
 * kept. The top is left to the end: a rename needs write permission for it.
 */
function finishTree(publication: Publication, trees: NewTrees, { tree, far }: FilledTree): FoundTime[] {
  const { entries } = publication.transfer.manifest;
  const times: FoundTime[] = [];
  for (const index of far) {
    const entry = entries.at(index)!;
    if (entry.type === 'directory') continue;
    const { directory, name } = trees.placeOf(tree, entry.path);
    const stat = directory.look(name, publication.native?.statAt);
    if (stat !== undefined) times.push({ index, entry, thereNs: stat.mtimeNs });
  }
  for (let index = tree.end - 1; index > tree.first; index -= 1) {
    if (entries.typeOf(index) !== 'directory' || !isPublished(publication, index)) continue;
    const entry = entries.at(index)!;
    const directory = trees.directoryOf(tree, entry.path);
    setDirectory(publication, directory, { index, entry }, undefined);
    if (far.has(index))
      times.push({ index, entry, thereNs: fstatSync(directory.fd, { bigint: true }).mtimeNs });
  }
  return times;
}

/** Renames a tree into its place; false where something is there. Throws system errors. */
function renameTop(publication: Publication, tree: NewTree, path: string): boolean {
  const { parent, name } = splitPath(path);
  const directory = publication.cursor.enter(parent);
  const { fd } = publication.folder;
  const isDone = publication.native!.renameNewAt!(fd, treeName(tree.first), directory.fd, name);
  if (isDone) noteDevice(publication, directory, fstatSync(directory.fd, { bigint: true }).dev);
  return isDone;
}
