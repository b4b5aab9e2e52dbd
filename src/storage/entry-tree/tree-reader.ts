/** Looks into one version of the tree: finds paths, and goes through ranges of them in canonical order. */
import { firstIndex } from '../../base/first-index.ts';
import { comparePaths } from '../../base/safe-path.ts';
import type { PageRef } from './branch-codec.ts';
import type { PageReader } from './page-reader.ts';
import { isBelow, type TreeEntry } from './tree-entry.ts';

/** Reads one version of the tree, by one caller at a time; it is quickest with paths in canonical order. */
export interface TreeReader {
  find(path: string): Promise<TreeEntry | undefined>;
  /** All entries below a path, which itself is not among them, in canonical order. */
  below(path: string): AsyncGenerator<TreeEntry>;
  /** The entries directly in a directory, in the order of their names. */
  childrenOf(directory: string): AsyncGenerator<TreeEntry>;
}

/** The leaf that was looked at last, and the paths that can be in it. */
interface OpenLeaf {
  readonly entries: readonly TreeEntry[];
  readonly first: string;
  /** First path of the leaf that follows; undefined for the last leaf. */
  readonly until: string | undefined;
}

/** Whether an entry with this path comes before the wanted place; true for all up to a path, false for all behind it. */
type IsBefore = (path: string) => boolean;

/** Opens a version of the tree, which is undefined while nothing is published. */
export function openTree(pages: PageReader, root: PageRef | undefined): TreeReader {
  let leaf: OpenLeaf | undefined;
  /** The leaf with the last entry before a place, or the first leaf. */
  const leafAt = async (isBefore: IsBefore): Promise<OpenLeaf | undefined> => {
    if (leaf !== undefined && isBefore(leaf.first) && (leaf.until === undefined || !isBefore(leaf.until)))
      return leaf;
    if (root === undefined) return undefined;
    let ref = root;
    let until: string | undefined;
    while (ref.level > 0) {
      const refs = await pages.branch(ref);
      const index = Math.max(0, firstIndex(refs.length, (each) => !isBefore(refs[each]!.first)) - 1);
      until = refs[index + 1]?.first ?? until;
      ref = refs[index]!;
    }
    leaf = { entries: await pages.leaf(ref), first: ref.first, until };
    return leaf;
  };
  /** All entries that are not before a place. */
  async function* from(isBefore: IsBefore): AsyncGenerator<readonly TreeEntry[]> {
    let at = await leafAt(isBefore);
    while (at !== undefined) {
      yield at.entries.slice(firstNotBefore(at.entries, isBefore));
      const { until } = at;
      at = until === undefined ? undefined : await leafAt((path) => comparePaths(path, until) <= 0);
    }
  }
  async function* below(path: string): AsyncGenerator<TreeEntry> {
    for await (const batch of from((each) => comparePaths(each, path) <= 0)) {
      for (const each of batch) {
        if (!isBelow(each.entry.path, path)) return;
        yield each;
      }
    }
  }
  return {
    find: async (path) => {
      const isBefore: IsBefore = (each) => comparePaths(each, path) <= 0;
      const found = await leafAt(isBefore);
      const index = found === undefined ? 0 : firstNotBefore(found.entries, isBefore);
      const last = found?.entries[index - 1];
      return last?.entry.path === path ? last : undefined;
    },
    below,
    childrenOf: async function* (directory) {
      let isBefore: IsBefore = (each) => comparePaths(each, directory) <= 0;
      for (;;) {
        const child = await firstOf(from(isBefore));
        if (child === undefined || !isBelow(child.entry.path, directory)) return;
        yield child;
        const { path } = child.entry;
        // Jumps over everything that is in the child.
        isBefore = (each) => comparePaths(each, path) <= 0 || isBelow(each, path);
      }
    },
  };
}

async function firstOf(batches: AsyncIterable<readonly TreeEntry[]>): Promise<TreeEntry | undefined> {
  for await (const [first] of batches) if (first !== undefined) return first;
  return undefined;
}

function firstNotBefore(entries: readonly TreeEntry[], isBefore: (path: string) => boolean): number {
  return firstIndex(entries.length, (each) => !isBefore(entries[each]!.entry.path));
}
