/** Takes trees of new directories apart that were not published: after an interruption, or to publish them by entries. */
import { chmodSync, renameSync } from 'node:fs';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { removeTree } from '../../../base/remove-tree.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import { splitPath } from '../tree/lookup.ts';
import { type NewTree, pathInTree, treeFrom } from './new-trees.ts';
import { entryName, treeName, treeOfName } from './staged-names.ts';

/** Takes apart every tree that an interrupted run has left in the staging folder. @throws CairnError, storage codes */
export async function dissolveLeftovers(
  folder: Directory,
  transfer: IncomingTransfer,
  names: readonly string[],
): Promise<void> {
  const { layout, manifest } = transfer;
  for (const name of names) {
    const first = treeOfName(name);
    if (first === undefined || first >= manifest.entries.length) continue;
    await dissolveTree(folder, transfer, treeFrom(manifest.entries, first), (index) =>
      layout.isLarge(index) ? entryName(index) : undefined,
    );
  }
}

/**
 * Gives files of a tree their names in the staging folder (again), and removes the rest. Answers the entries that it
 * found in the tree.
 *
 * @param stagedNameOf undefined for an entry that is not to be kept
 * @throws CairnError, storage codes
 */
export async function dissolveTree(
  folder: Directory,
  { manifest: { entries } }: Pick<IncomingTransfer, 'manifest'>,
  tree: NewTree,
  stagedNameOf: (entryIndex: number) => string | undefined,
): Promise<Set<number>> {
  const kept = new Set<number>();
  const name = treeName(tree.first);
  const top = openTree(folder, name);
  if (top === undefined) return kept;
  const cursor = new DirectoryCursor(top);
  try {
    for (let index = tree.first; index < tree.end; index += 1) {
      const path = pathInTree(entries, tree, entries.pathOf(index));
      if (entries.typeOf(index) === 'directory') {
        openUp(cursor, path);
        continue;
      }
      const stagedName = stagedNameOf(index);
      if (stagedName !== undefined && moveOut(cursor, path, folder, stagedName)) kept.add(index);
    }
  } catch (error) {
    throw storageError(error, `taking "${printable(folder.show(name))}" apart`);
  } finally {
    cursor.close();
    top.close();
  }
  await removeTree(folder.at(name));
  return kept;
}

/** The top of a tree, open; undefined where there is none. */
function openTree(folder: Directory, name: string): Directory | undefined {
  if (folder.look(name, undefined) === undefined) return undefined;
  chmodSync(folder.at(name), 0o700);
  return folder.openChild(name);
}

/** A directory may have its final mode, which locks its owner out. */
function openUp(cursor: DirectoryCursor, path: string): void {
  if (path === '') return;
  const { parent, name } = splitPath(path);
  ifThere(() => {
    const directory = cursor.enter(parent);
    if (directory.look(name, undefined) !== undefined) chmodSync(directory.at(name), 0o700);
  });
}

function moveOut(cursor: DirectoryCursor, path: string, folder: Directory, stagedName: string): boolean {
  const { parent, name } = splitPath(path);
  return ifThere(() => renameSync(cursor.enter(parent).at(name), folder.at(stagedName)));
}

/** False where what it is about is not there. */
function ifThere(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    const isAbsent =
      error instanceof CairnError ? error.code === 'not-found' : systemCodeOf(error) === 'ENOENT';
    if (isAbsent) return false;
    throw error;
  }
}
