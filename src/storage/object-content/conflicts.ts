/** Finds conflicts between a tree and the published entries at its destination. */
import { createBreather } from '../../base/breather.ts';
import { CairnError } from '../../base/errors.ts';
import { ancestorsOf, joinPath, printable } from '../../base/safe-path.ts';
import type { Entry } from '../../manifest/entry.ts';
import { numbered } from '../../manifest/entry-table.ts';
import type { RefusedEntries } from '../../transfer/refused-entries.ts';
import type { IncomingTransfer, PublishOrder } from '../content-store.ts';
import type { TreeEntry } from '../entry-tree/tree-entry.ts';
import type { TreeReader } from '../entry-tree/tree-reader.ts';
import { findEntry, findObstacle, hasChildren, isLinkToDirectory } from './tree-paths.ts';

/** Entries of another type in the way. */
export interface Conflicts {
  /** Paths of those that give way, with all that is below them. */
  readonly giveWay: ReadonlySet<string>;
  /** Indices of entries that replace a directory once the entries in it are removed. */
  readonly deferred: ReadonlySet<number>;
}

/**
 * Finds entries that an entry of another type replaces. Refuses entries that would replace a directory with entries
 * in it, and those below an entry that is no directory.
 */
export async function findConflicts(
  tree: TreeReader,
  { manifest, target }: IncomingTransfer,
  order: PublishOrder,
  refused: RefusedEntries,
): Promise<Conflicts> {
  const giveWay = new Set<string>();
  const deferred = new Set<number>();
  const willBe = new Set<string>();
  const breathe = createBreather();
  for (const [index, entry] of numbered(manifest.entries)) {
    await breathe();
    if (order.isExcluded(index) || refused.has(index)) continue;
    const path = joinPath(target, entry.path);
    try {
      const obstacle = await obstacleOf(tree, path, willBe);
      if (obstacle !== undefined) throw conflict('directory', obstacle.entry.type, obstacle.entry.path);
      if (entry.type === 'directory') willBe.add(path);
      const place = await placeOf(tree, entry, path, order);
      if (place === 'gives way') giveWay.add(path);
      if (place === 'has entries') deferred.add(index);
    } catch (error) {
      refused.refuse(index, error);
    }
  }
  return { giveWay, deferred };
}

/**
 * Whether the path has an entry of another type that may be replaced, at once or when the entries in it are removed.
 *
 * @throws CairnError where it may not
 */
async function placeOf(
  tree: TreeReader,
  entry: Entry,
  path: string,
  { existing = 'replaced', forceReplace = false, removal }: PublishOrder,
): Promise<'is free' | 'gives way' | 'has entries'> {
  const found = await findEntry(tree, path);
  const isDirectory = entry.type === 'directory';
  if (found === undefined || isDirectory === (found.entry.type === 'directory')) return 'is free';
  // The existing entry stays; the conflict shows when the entry is put there.
  if (existing !== 'replaced') return 'is free';
  const hasEntries = !isDirectory && (await hasChildren(tree, path));
  if (removal !== undefined) return hasEntries ? 'has entries' : 'gives way';
  if (forceReplace) return 'gives way';
  if (isDirectory && (await isLinkToDirectory(tree, found.entry))) throw linkInTheWay(path);
  if (hasEntries) throw conflict(entry.type, found.entry.type, path);
  return 'gives way';
}

/** The entry above a path that is no directory, unless the transfer replaces it by a directory. */
async function obstacleOf(
  tree: TreeReader,
  path: string,
  willBe: ReadonlySet<string>,
): Promise<TreeEntry | undefined> {
  if (ancestorsOf(path).some((ancestor) => willBe.has(ancestor))) return undefined;
  return findObstacle(tree, path);
}

function linkInTheWay(path: string): CairnError {
  const message = `the transfer has a directory where the target has a symlink to one: "${printable(path)}"; it is not followed`;
  return new CairnError('symlink-refused', message, { details: { path } });
}

/** The error for an entry of another type in the way; a person has to decide. */
export function conflict(wanted: Entry['type'], there: Entry['type'], path: string): CairnError {
  const message = `the transfer has a ${wanted} where the target has a ${there}: "${printable(path)}"; move it away, or replace it and everything in it with --force-replace`;
  const code = wanted === 'directory' ? 'not-directory' : 'is-directory';
  return new CairnError(code, message, { details: { path, wanted, there } });
}
