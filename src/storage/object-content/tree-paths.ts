/** What is at a path of the published tree, and above and below it. */
import { posix } from 'node:path';
import { CairnError } from '../../base/errors.ts';
import { ancestorsOf, printable } from '../../base/safe-path.ts';
import type { Entry } from '../../manifest/entry.ts';
import { treeEntry, type TreeEntry } from '../entry-tree/tree-entry.ts';
import type { TreeReader } from '../entry-tree/tree-reader.ts';

/** The root while no transfer has published the root itself. */
const EMPTY_ROOT: TreeEntry = treeEntry({
  type: 'directory',
  path: '',
  sizeBytes: 0,
  mode: 0o755,
  mtimeNs: 0n,
  linkTarget: '',
});

/** The entry at a published path; undefined where there is none. Ignores entries above it. @throws CairnError */
export async function findEntry(tree: TreeReader, path: string): Promise<TreeEntry | undefined> {
  return (await tree.find(path)) ?? (path === '' ? EMPTY_ROOT : undefined);
}

/** Whether anything is below a path. @throws CairnError storage codes */
export async function hasChildren(tree: TreeReader, path: string): Promise<boolean> {
  for await (const _child of tree.below(path)) return true;
  return false;
}

/** A directory without a description of its own: with the usual mode. */
export function plainDirectory(path: string, nowMs: number): TreeEntry {
  const mtimeNs = BigInt(nowMs) * 1_000_000n;
  return treeEntry({ type: 'directory', path, sizeBytes: 0, mode: 0o755, mtimeNs, linkTarget: '' });
}

/**
 * The highest entry above `path` that is no directory, or undefined.
 *
 * @throws CairnError `symlink-refused` where it is a symlink
 */
export async function findObstacle(tree: TreeReader, path: string): Promise<TreeEntry | undefined> {
  for (const ancestor of ancestorsOf(path)) {
    const found = await findEntry(tree, ancestor);
    if (found === undefined) return undefined;
    if (found.entry.type === 'symlink') {
      throw new CairnError('symlink-refused', `"${printable(ancestor)}" is a symlink and is not followed`);
    }
    if (found.entry.type !== 'directory') return found;
  }
  return undefined;
}

/** Refuses a path below an entry that is no directory. @throws CairnError `not-directory`, `symlink-refused` */
export async function refuseObstacle(tree: TreeReader, path: string): Promise<void> {
  const obstacle = await findObstacle(tree, path);
  if (obstacle === undefined) return;
  throw new CairnError('not-directory', `"${printable(obstacle.entry.path)}" is not a directory`);
}

/** Whether a link leads to a directory of the tree. */
export async function isLinkToDirectory(
  tree: TreeReader,
  { type, path, linkTarget }: Entry,
): Promise<boolean> {
  if (type !== 'symlink' || linkTarget.startsWith('/')) return false;
  const to = posix.join(posix.dirname(path), linkTarget);
  return (await findEntry(tree, to === '.' ? '' : to))?.entry.type === 'directory';
}
