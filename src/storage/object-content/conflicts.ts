/** Finds conflicts between a tree and the published entries at its destination. */
import { posix } from 'node:path';
import { CairnError } from '../../base/errors.ts';
import { ancestorsOf, joinPath, printable } from '../../base/safe-path.ts';
import type { Entry, ScannedEntry } from '../../manifest/entry.ts';
import { numbered } from '../../manifest/entry-table.ts';
import type { RefusedEntries } from '../../transfer/refused-entries.ts';
import type { IncomingTransfer, PublishOrder } from '../content-store.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { findEntry, findObstacle, hasChildren } from './entry-objects.ts';

/**
 * Paths of entries that an entry of another type replaces. Refuses entries that would replace a directory with entries
 * in it, and those below an entry that is no directory.
 */
export async function findConflicts(
  objects: ObjectStore,
  { manifest, target }: IncomingTransfer,
  order: PublishOrder,
  refused: RefusedEntries,
): Promise<string[]> {
  const giveWay: string[] = [];
  const willBe = new Set<string>();
  for (const [index, entry] of numbered(manifest.entries)) {
    if (order.isExcluded(index) || refused.has(index)) continue;
    const path = joinPath(target, entry.path);
    try {
      const obstacle = await obstacleOf(objects, path, willBe);
      if (obstacle !== undefined) throw conflict('not-directory', 'directory', obstacle);
      if (entry.type === 'directory') willBe.add(path);
      if (await givesWay(objects, entry, path, order)) giveWay.push(path);
    } catch (error) {
      refused.refuse(index, error);
    }
  }
  return giveWay;
}

/** Whether the path has an entry of another type that may be replaced. @throws CairnError where it may not */
async function givesWay(
  objects: ObjectStore,
  entry: Entry,
  path: string,
  order: PublishOrder,
): Promise<boolean> {
  const found = await findEntry(objects, path);
  const isDirectory = entry.type === 'directory';
  if (found === undefined || isDirectory === (found.entry.type === 'directory')) return false;
  // The existing entry stays; the conflict shows when the entry is put there.
  if ((order.existing ?? 'replaced') !== 'replaced') return false;
  if (order.forceReplace === true) return true;
  if (isDirectory && (await isLinkToDirectory(objects, found.entry))) throw linkInTheWay(path);
  if (!isDirectory && (await hasChildren(objects, path))) throw conflict('is-directory', entry.type, found);
  return true;
}

/** The entry above a path that is no directory, unless the transfer replaces it by a directory. */
async function obstacleOf(
  objects: ObjectStore,
  path: string,
  willBe: ReadonlySet<string>,
): Promise<ScannedEntry | undefined> {
  if (ancestorsOf(path).some((ancestor) => willBe.has(ancestor))) return undefined;
  return findObstacle(objects, path);
}

async function isLinkToDirectory(objects: ObjectStore, { type, path, linkTarget }: Entry): Promise<boolean> {
  if (type !== 'symlink' || linkTarget.startsWith('/')) return false;
  const to = posix.join(posix.dirname(path), linkTarget);
  return (await findEntry(objects, to === '.' ? '' : to))?.entry.type === 'directory';
}

function linkInTheWay(path: string): CairnError {
  const message = `the transfer has a directory where the target has a symlink to one: "${printable(path)}"; it is not followed`;
  return new CairnError('symlink-refused', message, { details: { path } });
}

function conflict(
  code: 'is-directory' | 'not-directory',
  wanted: Entry['type'],
  { entry }: ScannedEntry,
): CairnError {
  const path = printable(entry.path);
  const message = `the transfer has a ${wanted} where the target has a ${entry.type}: "${path}"; move it away, or replace it and everything in it with --force-replace`;
  return new CairnError(code, message, { details: { path, wanted, there: entry.type } });
}
