import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import type { NewTree, NewTrees } from '../staging/new-trees.ts';

/** What has become of the trees of new directories, in one publishing. */
export class WholeTrees {
  /** Those that are still to be published; undefined before they are looked for. */
  trees: NewTrees | undefined;
  readonly #done = new ChunkSet();
  readonly #takenApart: { readonly tree: NewTree; readonly kept: ReadonlySet<number> }[] = [];

  /** A tree is in its place, in its final shape apart from its top and from the entries in `open`. */
  add({ first, end }: NewTree, open: ReadonlySet<number>): void {
    this.#done.addRun(first, end - first);
    for (const index of [first, ...open]) this.#done.delete(index);
  }

  /** A tree was taken apart; the files of the entries in `kept` have their names in the staging folder. */
  loosen(tree: NewTree, kept: ReadonlySet<number>): void {
    this.#takenApart.push({ tree, kept });
  }

  /** Whether the entries of some tree are to be published one by one. */
  get isAnyTakenApart(): boolean {
    return this.#takenApart.length > 0;
  }

  /** Whether an entry is published in its final shape. */
  isDone(entryIndex: number): boolean {
    return this.#done.has(entryIndex);
  }

  /** Whether an entry comes with a tree, or has come so. */
  isOfTree(entryIndex: number): boolean {
    return this.isDone(entryIndex) || this.trees?.of(entryIndex) !== undefined;
  }

  /** Whether the file of an entry was kept when its tree was taken apart; undefined for other entries. */
  isKept(entryIndex: number): boolean | undefined {
    const found = this.#takenApart.find(({ tree }) => tree.first <= entryIndex && entryIndex < tree.end);
    return found?.kept.has(entryIndex);
  }
}
