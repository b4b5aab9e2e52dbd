/** The published tree of a store: views of one version, and changes that appear all at once. */
import { randomBytes } from 'node:crypto';
import { applyChanges } from '../entry-tree/apply-changes.ts';
import type { PageRef } from '../entry-tree/branch-codec.ts';
import type { TreeChanges } from '../entry-tree/change-merge.ts';
import { createPageCache } from '../entry-tree/page-cache.ts';
import { createPageReader, type PageReader } from '../entry-tree/page-reader.ts';
import { createPageWriter, type PageWriter } from '../entry-tree/page-writer.ts';
import { rewritePages } from '../entry-tree/walk-pages.ts';
import { openTree, type TreeReader } from '../entry-tree/tree-reader.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { createRootChanges, type RootStep } from './root-changes.ts';
import { openRootObject, type ReadRoot, type TreeRoot } from './tree-root.ts';

/** The published tree. */
export interface PublishedTree {
  readonly objects: ObjectStore;
  /** The current root; with `maxAgeMs` it may be one that this process read within that time. */
  root(maxAgeMs?: number): Promise<ReadRoot>;
  /** Opens a version for one reader. */
  view(root: TreeRoot): TreeReader;
  /** A reader of pages, for one piece of work. */
  pages(): PageReader;
  /**
   * Replaces the root by what the step makes of it, and calls the step again where another change came first. Answers the
   * root that it leaves. A long one is made beside the others at first. @throws CairnError what the step throws;
   * `server-busy`
   */
  change(step: RootStep, options?: { readonly isLong?: boolean }): Promise<TreeRoot>;
  /** The tree after changes; `writer` writes the new pages. */
  apply(root: TreeRoot, changes: TreeChanges, writer: PageWriter): Promise<PageRef | undefined>;
  /** Writes all pages anew, beside each other: the tree stays the same, and is quick to read again. */
  gather(): Promise<void>;
  /** Notes that a staging area is gone: the next change drops its commit from the recent ones. */
  noteEnded(area: string): void;
  /** Raises the generation, so that no change that is under way elsewhere still comes. Answers the root that it leaves. */
  fence(): Promise<TreeRoot>;
}

/** Opens the published tree of a store. */
export function openPublishedTree(objects: ObjectStore): PublishedTree {
  const root = openRootObject(objects);
  const cache = createPageCache();
  const pages = (): PageReader => createPageReader(objects, cache);
  const { change, noteEnded } = createRootChanges(root);
  return {
    objects,
    root: root.read,
    view: ({ tree }) => openTree(pages(), tree),
    pages,
    change,
    apply: ({ tree }, changes, writer) => applyChanges({ pages: pages(), writer }, tree, changes),
    gather: async () => {
      await change(
        async ({ tree, recent }) =>
          tree && { tree: await rewritePages(pages(), createCommandWriter(objects), tree), recent },
        { isLong: true },
      );
    },
    noteEnded,
    fence: () => change(async ({ tree, recent }) => ({ tree, recent })),
  };
}

/** Prefix of the objects of a change that belongs to no session. */
const OF_COMMANDS = 'c/o/';

/**
 * Makes a writer for one try of a change that belongs to no session. The next try needs another one: the collector may
 * free what this one wrote once the root has changed.
 */
export function createCommandWriter(objects: ObjectStore): PageWriter {
  return createPageWriter(objects, newCommandPrefix());
}

/** A new prefix for the objects of one try of such a change. */
export function newCommandPrefix(): string {
  return `${OF_COMMANDS}${randomBytes(12).toString('hex')}/`;
}
