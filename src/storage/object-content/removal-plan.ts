/** Decides which listed entries are removed, the deepest first, each only if it is still the listed one. */
import { joinPath } from '../../base/safe-path.ts';
import type { Entry } from '../../manifest/entry.ts';
import { changedSinceListed, isAsListed, notEmpty } from '../../transfer/listed-entries.ts';
import type { TreeEntry } from '../entry-tree/tree-entry.ts';
import type { TreeReader } from '../entry-tree/tree-reader.ts';
import { conflict } from './conflicts.ts';
import type { OtherChanges, Publishing } from './publishing.ts';

/** What the decision needs beside the publishing. */
interface Removing {
  /** Entries of the manifest that replace a directory once nothing is left in it. */
  readonly deferred: ReadonlySet<number>;
  readonly others: OtherChanges;
  readonly keep: (path: string, kept: TreeEntry) => Promise<void>;
}

/**
 * Adds the removals to the other changes; none where an entry was refused. Answers the deferred entries that can be put
 * now, with their paths; refuses the others.
 */
export async function planRemoval(
  publishing: Publishing,
  removing: Removing,
): Promise<ReadonlyMap<number, string>> {
  const { tree, transfer, order, refused } = publishing;
  const removed = await planListed(publishing, removing);
  const placed = new Map<number, string>();
  for (const index of removing.deferred) {
    if (order.isExcluded(index) || refused.has(index)) continue;
    const entry = transfer.manifest.entries.at(index)!;
    const path = joinPath(transfer.target, entry.path);
    if (order.forceReplace === true) await keepRest(tree, removing, { entry, path, removed });
    else if (await hasRest(tree, path, removed)) {
      refused.refuse(index, conflict(entry.type, 'directory', path));
      continue;
    }
    placed.set(index, path);
  }
  return placed;
}

async function planListed(
  { tree, transfer: { target }, order: { removal }, refused }: Publishing,
  { others, keep }: Removing,
): Promise<ReadonlySet<string>> {
  const removed = new Set<string>();
  if (removal === undefined) return removed;
  if (refused.size > 0) {
    removal.onSkipped();
    return removed;
  }
  const { entries } = removal;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const listed = entries.at(index)!;
    const path = joinPath(target, listed.path);
    const found = await tree.find(path);
    if (found === undefined) continue;
    if (!isAsListed(found.entry, listed)) removal.onKept(index, changedSinceListed(path));
    else if (found.entry.type === 'directory' && (await hasRest(tree, path, removed)))
      removal.onKept(index, notEmpty(path));
    else {
      await keep(listed.path, found);
      others.set(path, { path, entry: undefined });
      removed.add(path);
    }
  }
  return removed;
}

/** Whether a directory has an entry that stays. */
async function hasRest(tree: TreeReader, directory: string, removed: ReadonlySet<string>): Promise<boolean> {
  for await (const { entry } of tree.childrenOf(directory)) if (!removed.has(entry.path)) return true;
  return false;
}

/** Keeps what a directory still has when a file takes its place. */
async function keepRest(
  tree: TreeReader,
  { keep }: Removing,
  {
    entry,
    path,
    removed,
  }: { readonly entry: Entry; readonly path: string; readonly removed: ReadonlySet<string> },
): Promise<void> {
  for await (const each of tree.below(path)) {
    if (!removed.has(each.entry.path)) await keep(entry.path + each.entry.path.slice(path.length), each);
  }
}
