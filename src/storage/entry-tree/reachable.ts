/** Finds every object that a version of the tree needs: those of its pages, and those of the bytes of its files. */
import { keysOfLeaf } from './leaf-codec.ts';
import type { PageRef } from './branch-codec.ts';
import type { PageReader } from './page-reader.ts';

/** Adds the keys of all objects below a page; false where `isStopped` ended it early. @throws CairnError `storage-io` */
export async function addReachable(
  pages: PageReader,
  root: PageRef | undefined,
  keys: Set<string>,
  isStopped: () => boolean,
): Promise<boolean> {
  if (root === undefined) return true;
  if (isStopped()) return false;
  keys.add(root.place.key);
  if (root.level === 0) {
    for (const key of keysOfLeaf(await pages.leafBytes(root))) keys.add(key);
    return true;
  }
  for (const below of await pages.branch(root)) {
    if (!(await addReachable(pages, below, keys, isStopped))) return false;
  }
  return true;
}
