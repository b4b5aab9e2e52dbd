/** Goes through all pages of a version of the tree, and writes them anew. */
import { encodeBranch, type PageRef } from './branch-codec.ts';
import { decodeLeaf } from './leaf-codec.ts';
import type { PageReader } from './page-reader.ts';
import type { PageWriter } from './page-writer.ts';
import type { TreeEntry } from './tree-entry.ts';

/** What a version of the tree needs. */
export interface NeededObjects {
  /** The objects with bytes of files, and how many bytes of each are needed. */
  readonly content: Map<string, number>;
  /** Keys of the objects in which pages lie. */
  readonly pageKeys: Set<string>;
  /** Bytes of all pages. */
  pageBytes: number;
}

/** Finds what a tree needs; undefined where `isStopped` ended it early. @throws CairnError `storage-io` */
export async function findNeeded(
  pages: PageReader,
  root: PageRef | undefined,
  isStopped: () => boolean,
): Promise<NeededObjects | undefined> {
  const needed: NeededObjects = { content: new Map(), pageKeys: new Set(), pageBytes: 0 };
  const walk = async (ref: PageRef): Promise<boolean> => {
    if (isStopped()) return false;
    needed.pageKeys.add(ref.place.key);
    needed.pageBytes += ref.place.lengthBytes;
    if (ref.level === 0) addContent(needed.content, decodeLeaf(await pages.leafBytes(ref)));
    else for (const below of await pages.branch(ref)) if (!(await walk(below))) return false;
    return true;
  };
  return root === undefined || (await walk(root)) ? needed : undefined;
}

function addContent(content: NeededObjects['content'], entries: readonly TreeEntry[]): void {
  for (const { extents } of entries) {
    for (const { key, lengthBytes } of extents) content.set(key, (content.get(key) ?? 0) + lengthBytes);
  }
}

/** Writes all pages of a tree anew, in order; answers the same tree in its new place. @throws CairnError storage codes */
export async function rewritePages(pages: PageReader, writer: PageWriter, root: PageRef): Promise<PageRef> {
  const rewrite = async (ref: PageRef): Promise<PageRef> => {
    if (ref.level === 0) return { ...ref, place: await writer.write(await pages.leafBytes(ref)) };
    const below: PageRef[] = [];
    for (const each of await pages.branch(ref)) below.push(await rewrite(each));
    return { ...ref, place: await writer.write(encodeBranch(below).bytes) };
  };
  const moved = await rewrite(root);
  await writer.finish();
  return moved;
}
