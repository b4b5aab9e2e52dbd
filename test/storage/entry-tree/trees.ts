/** Entries for trees, and trees made of them at once. */
import type { Entry } from '../../../src/manifest/entry.ts';
import { comparePaths } from '../../../src/base/safe-path.ts';
import { applyChanges } from '../../../src/storage/entry-tree/apply-changes.ts';
import type { PageRef } from '../../../src/storage/entry-tree/branch-codec.ts';
import type { TreeChange } from '../../../src/storage/entry-tree/change-merge.ts';
import { createPageCache } from '../../../src/storage/entry-tree/page-cache.ts';
import { createPageReader } from '../../../src/storage/entry-tree/page-reader.ts';
import { createPageWriter } from '../../../src/storage/entry-tree/page-writer.ts';
import type { TreeEntry } from '../../../src/storage/entry-tree/tree-entry.ts';
import { openTree } from '../../../src/storage/entry-tree/tree-reader.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';

/** A file of the tree; its bytes lie in an object that has the name of its content. */
export function leafFile(path: string, content = 'a', changes: Partial<Entry> = {}): TreeEntry {
  const extents = content === '' ? [] : [{ key: `c/s/n/${content}`, from: 7, lengthBytes: content.length }];
  const entry: Entry = {
    type: 'file',
    path,
    sizeBytes: content.length,
    mode: 0o644,
    mtimeNs: 1_600_000_000_123_456_789n,
    linkTarget: '',
    ...changes,
  };
  return { entry, extents };
}

/** A directory of the tree. */
export function leafDirectory(path: string): TreeEntry {
  return {
    entry: { type: 'directory', path, sizeBytes: 0, mode: 0o755, mtimeNs: -5n, linkTarget: '' },
    extents: [],
  };
}

/** Applies changes, in whatever order they come. */
export async function changeTree(
  objects: ObjectStore,
  root: PageRef | undefined,
  changes: readonly TreeChange[],
): Promise<PageRef | undefined> {
  const sorted = changes.toSorted((a, b) => comparePaths(a.path, b.path));
  const pages = createPageReader(objects, createPageCache());
  return applyChanges({ pages, writer: createPageWriter(objects, 'c/o/test/') }, root, [sorted]);
}

/** Changes that put entries. */
export function puts(entries: readonly TreeEntry[]): TreeChange[] {
  return entries.map((entry) => ({ path: entry.entry.path, entry }));
}

/** All entries of a tree. */
export async function entriesOf(objects: ObjectStore, root: PageRef | undefined): Promise<TreeEntry[]> {
  const tree = openTree(createPageReader(objects, createPageCache()), root);
  const top = await tree.find('');
  const found = top === undefined ? [] : [top];
  for await (const each of tree.below('')) found.push(each);
  return found;
}
