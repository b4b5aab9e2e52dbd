/** Chooses the names of entries that replace nothing: their own where that is free, else a similar one, or none. */
import { joinPath } from '../../base/safe-path.ts';
import type { Entry } from '../../manifest/entry.ts';
import { numbered } from '../../manifest/entry-table.ts';
import { indexOfPath } from '../../manifest/hard-links.ts';
import { AS_SENT, modeFor } from '../../manifest/modes.ts';
import { destinationExists } from '../../transfer/destination-exists.ts';
import type { TreeChange } from '../entry-tree/change-merge.ts';
import type { Extent } from '../entry-tree/tree-entry.ts';
import type { TreeReader } from '../entry-tree/tree-reader.ts';
import { freshNames } from '../fresh-names.ts';
import { publishedEntry, type Publishing } from './publishing.ts';

/** The bytes of an entry. */
type BytesOf = (index: number, sizeBytes: number) => Extent[];

/** What was chosen. */
export interface AddedNames {
  /** Whether an entry is not put at its own path. */
  isPutElsewhere(index: number): boolean;
  /** The entries that get another name. */
  added(bytesOf: BytesOf): TreeChange[];
}

const ALL_OWN: AddedNames = { isPutElsewhere: () => false, added: () => [] };

/** Chooses; refuses entries whose name is taken where they may not have another. @throws CairnError `destination-exists` */
export async function chooseNames(
  { tree, transfer, order, refused }: Publishing,
  deferred: ReadonlySet<number>,
): Promise<AddedNames> {
  const { existing = 'replaced' } = order;
  if (existing === 'replaced') return ALL_OWN;
  const { entries } = transfer.manifest;
  const elsewhere = new Map<number, string | undefined>();
  const taken = new Set<string>();
  for (const [index, entry] of numbered(entries)) {
    if (order.isExcluded(index) || order.isPresent(index) || refused.has(index) || deferred.has(index))
      continue;
    const path = joinPath(transfer.target, entry.path);
    const found = await tree.find(path);
    if (found === undefined) continue;
    const isDirectory = entry.type === 'directory';
    if (isDirectory && found.entry.type === 'directory') elsewhere.set(index, undefined);
    else if (existing === 'kept' || isDirectory) refused.refuse(index, destinationExists(path));
    else {
      const isTaken = (name: string): boolean =>
        taken.has(joinPath(transfer.target, name)) || indexOfPath(entries, name) !== undefined;
      const free = await freeName(tree, transfer.target, entry, isTaken);
      taken.add(free);
      elsewhere.set(index, free);
    }
  }
  return {
    isPutElsewhere: (index) => elsewhere.has(index),
    added: (bytesOf) => {
      const changes: TreeChange[] = [];
      for (const [index, path] of elsewhere) {
        if (path === undefined || refused.has(index)) continue;
        const entry = entries.at(index)!;
        const mode = modeFor(entry, undefined, AS_SENT, transfer.modes);
        const added = publishedEntry(order, entry, { path, mode });
        changes.push({ path, entry: { entry: added, extents: bytesOf(index, added.sizeBytes) } });
      }
      return changes;
    },
  };
}

async function freeName(
  tree: TreeReader,
  target: string,
  { path }: Entry,
  isTaken: (relative: string) => boolean,
): Promise<string> {
  const whole = joinPath(target, path);
  const slash = whole.lastIndexOf('/') + 1;
  for (const name of freshNames(whole.slice(slash))) {
    const at = whole.slice(0, slash) + name;
    const relative = target === '' ? at : at.slice(target.length + 1);
    if (!isTaken(relative) && (await tree.find(at)) === undefined) return at;
  }
  return whole; // freshNames never ends
}
