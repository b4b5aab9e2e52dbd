/**
 * Applies changes to a tree: reads the pages in which something changes, takes over all others as they are, and writes
 * new ones. The same entries give the same tree, whatever changes led to them. Memory holds a page of each level.
 */
import type { PageRef } from './branch-codec.ts';
import { createChangeMerge, type TreeChanges } from './change-merge.ts';
import type { PageReader } from './page-reader.ts';
import type { PageWriter } from './page-writer.ts';
import { createTreeBuilder } from './tree-builder.ts';

/** Reads and writes the pages of a tree. */
export interface TreeStore {
  readonly pages: PageReader;
  readonly writer: PageWriter;
}

/**
 * Applies changes to the tree below `root` and answers the new root, undefined for an empty tree; its pages are durable
 * when this returns.
 *
 * @throws CairnError storage codes; `internal` for changes that are out of order
 */
export async function applyChanges(
  { pages, writer }: TreeStore,
  root: PageRef | undefined,
  changes: TreeChanges,
): Promise<PageRef | undefined> {
  const builder = createTreeBuilder(pages, writer);
  const merge = createChangeMerge(changes, builder.add);
  const walk = async (ref: PageRef, until: string | undefined): Promise<void> => {
    const isTouched = await merge.hasBefore(until);
    const isDropped = merge.drops(ref.first);
    if (isDropped && until !== undefined && merge.drops(until)) {
      await merge.addBefore(until);
    } else if (!isTouched && !isDropped && builder.isAtBoundary(ref.level)) {
      await builder.addPage(ref);
    } else if (ref.level === 0) {
      const entries = await pages.leaf(ref);
      builder.noteRead(ref);
      for (const each of entries) await merge.addOld(each);
      await merge.addBefore(until);
    } else {
      const below = await pages.branch(ref);
      builder.noteRead(ref, below);
      for (const [index, page] of below.entries()) await walk(page, below[index + 1]?.first ?? until);
    }
  };
  if (root !== undefined) await walk(root, undefined);
  await merge.addBefore(undefined);
  const next = await builder.finish();
  await writer.finish();
  return next;
}
