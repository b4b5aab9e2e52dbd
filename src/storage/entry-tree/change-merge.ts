/** Merges the entries of a tree with changes, both in canonical order. */
import { CairnError } from '../../base/errors.ts';
import { comparePaths, printable } from '../../base/safe-path.ts';
import { isBelow, type TreeEntry } from './tree-entry.ts';

/** A change of one path. */
export interface TreeChange {
  readonly path: string;
  /** The new entry; undefined to remove the one that is there, `kept` to leave it. */
  readonly entry: TreeEntry | undefined | 'kept';
  /** Whether all entries below the path go, but for those that later changes put there. */
  readonly dropsBelow?: boolean;
}

/** Changes in canonical order, each path once; in batches, so that many cost little. */
export type TreeChanges = AsyncIterable<readonly TreeChange[]> | Iterable<readonly TreeChange[]>;

/** Merges; what comes out goes to the function that the merge was made with. */
export interface ChangeMerge {
  /** Whether a change is left for a path before `until`, or for any path. */
  hasBefore(until: string | undefined): Promise<boolean>;
  /** Whether an entry that is there at this path goes, unless a change names it. */
  drops(path: string): boolean;
  /** Takes the next entry that is there, behind all changes before it. */
  addOld(entry: TreeEntry): Promise<void>;
  /** Takes the changes that are left for paths before `until`, or all. */
  addBefore(until: string | undefined): Promise<void>;
}

/** Makes a merge. */
export function createChangeMerge(
  changes: TreeChanges,
  add: (entry: TreeEntry) => Promise<void>,
): ChangeMerge {
  const queue = createQueue(changes);
  let dropped: string | undefined;
  const drops = (path: string): boolean => dropped !== undefined && isBelow(path, dropped);
  const take = async ({ path, entry, dropsBelow }: TreeChange, old: TreeEntry | undefined): Promise<void> => {
    const kept = old !== undefined && !drops(path) ? old : undefined;
    if (dropsBelow === true && !drops(path)) dropped = path;
    const next = entry === 'kept' ? kept : entry;
    if (next !== undefined) await add(next);
  };
  const addBefore = async (until: string | undefined): Promise<void> => {
    for (;;) {
      const change = await queue.peek();
      if (change === undefined || (until !== undefined && comparePaths(change.path, until) >= 0)) return;
      queue.shift();
      await take(change, undefined);
    }
  };
  return {
    drops,
    addBefore,
    hasBefore: async (until) => {
      const change = await queue.peek();
      return change !== undefined && (until === undefined || comparePaths(change.path, until) < 0);
    },
    addOld: async (old) => {
      const { path } = old.entry;
      await addBefore(path);
      const change = await queue.peek();
      if (change?.path === path) {
        queue.shift();
        await take(change, old);
      } else if (!drops(path)) await add(old);
    },
  };
}

/** The changes one by one, and a look at the next. */
function createQueue(changes: TreeChanges): {
  readonly peek: () => Promise<TreeChange | undefined>;
  readonly shift: () => void;
} {
  const batches =
    Symbol.asyncIterator in changes ? changes[Symbol.asyncIterator]() : changes[Symbol.iterator]();
  let batch: readonly TreeChange[] = [];
  let at = 0;
  let last: string | undefined;
  const check = ({ path }: TreeChange): void => {
    if (last !== undefined && comparePaths(last, path) >= 0)
      throw new CairnError('internal', `a change of "${printable(path)}" came out of order`);
    last = path;
  };
  return {
    peek: async () => {
      while (at === batch.length) {
        const next = await batches.next();
        if (next.done === true) return undefined;
        batch = next.value;
        at = 0;
      }
      return batch[at];
    },
    shift: () => {
      check(batch[at]!);
      at += 1;
    },
  };
}
