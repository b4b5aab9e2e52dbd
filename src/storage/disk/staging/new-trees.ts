/**
 * New directories: those of a manifest that the destination does not have. The tree of each is built in the staging
 * folder in its final shape, so that one rename publishes it.
 */
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { firstIndex } from '../../../base/first-index.ts';
import type { EntryList } from '../../../manifest/entry-table.ts';
import { splitPath } from '../tree/lookup.ts';
import { treeName } from './staged-names.ts';

/** The entries of a new directory: its own index, and that after its last one. */
export interface NewTree {
  readonly first: number;
  readonly end: number;
}

/** The tree that an entry with this path begins: with all that is below it, which directly follows. */
export function treeFrom(entries: EntryList, first: number): NewTree {
  const path = entries.pathOf(first);
  if (path === '') return { first, end: entries.length };
  let end = first + 1;
  while (end < entries.length && entries.pathOf(end).startsWith(`${path}/`)) end += 1;
  return { first, end };
}

/** The path of an entry below the new directory; empty for the directory itself. */
export function pathInTree(entries: EntryList, { first }: NewTree, path: string): string {
  const top = entries.pathOf(first);
  return top === '' ? path : path.slice(top.length + 1);
}

/** The new directories of one transfer, and their trees in the staging folder. Close it; the folder stays open. */
export class NewTrees {
  readonly #folder: Directory;
  readonly #entries: EntryList;
  /** In order, and apart from each other. */
  readonly #trees: NewTree[];
  /** The open one. */
  #current: { readonly tree: NewTree; readonly top: Directory; readonly cursor: DirectoryCursor } | undefined;
  readonly #begun = new Set<NewTree>();
  readonly #modeOf: (entryIndex: number) => number;

  /** Borrows `folder`. `modeOf` tells the first mode of a new directory. */
  constructor(
    { folder, modeOf }: { readonly folder: Directory; readonly modeOf: (entryIndex: number) => number },
    entries: EntryList,
    trees: readonly NewTree[],
  ) {
    this.#folder = folder;
    this.#modeOf = modeOf;
    this.#entries = entries;
    this.#trees = [...trees];
  }

  /** Those that are still to be published whole. */
  list(): readonly NewTree[] {
    return [...this.#trees];
  }

  /** The tree that an entry is in. */
  of(entryIndex: number): NewTree | undefined {
    const index = firstIndex(this.#trees.length, (each) => this.#trees[each]!.end > entryIndex);
    const tree = this.#trees[index];
    return tree !== undefined && tree.first <= entryIndex ? tree : undefined;
  }

  /** Where a file or link of a tree is made; valid until the next call. Makes directories. Throws system errors. */
  placeOf(tree: NewTree, path: string): { readonly directory: Directory; readonly name: string } {
    const { parent, name } = splitPath(pathInTree(this.#entries, tree, path));
    return { directory: this.#enter(tree, parent), name };
  }

  /** A directory of a tree; valid until the next call. Makes it. Throws system errors. */
  directoryOf(tree: NewTree, path: string): Directory {
    return this.#enter(tree, pathInTree(this.#entries, tree, path));
  }

  /** The tree is published, or its entries will be one by one. */
  drop(tree: NewTree): void {
    if (this.#current?.tree === tree) this.close();
    const at = this.#trees.indexOf(tree);
    if (at >= 0) this.#trees.splice(at, 1);
  }

  close(): void {
    this.#current?.cursor.close();
    this.#current?.top.close();
    this.#current = undefined;
  }

  #enter(tree: NewTree, path: string): Directory {
    if (this.#current?.tree !== tree) {
      this.close();
      const name = treeName(tree.first);
      // Nothing of an earlier run may be in it.
      if (!this.#begun.has(tree)) this.#folder.makeDirectory(name, this.#modeOf(tree.first));
      this.#begun.add(tree);
      const top = this.#folder.openChild(name);
      this.#current = { tree, top, cursor: new DirectoryCursor(top, { create: true }) };
    }
    return this.#current.cursor.enter(path);
  }
}
