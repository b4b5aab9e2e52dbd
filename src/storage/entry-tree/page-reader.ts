/** Reads pages of the tree and checks each by its id. A reader that goes on and on reads many pages at a time. */
import { createBreather } from '../../base/breather.ts';
import { CairnError } from '../../base/errors.ts';
import { createBlockReader } from '../objects/object-blocks.ts';
import { bytesOfObject } from '../objects/object-body.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { decodeBranch, pageId, type PagePlace, type PageRef } from './branch-codec.ts';
import { decodeLeaf } from './leaf-codec.ts';
import type { PageCache, TreePage } from './page-cache.ts';
import type { TreeEntry } from './tree-entry.ts';

/** Reads pages for one piece of work, by one caller at a time. */
export interface PageReader {
  /** The entries of a leaf. @throws CairnError `storage-io` where it is damaged or gone */
  leaf(ref: PageRef): Promise<readonly TreeEntry[]>;
  /** The pages below a branch. @throws CairnError as {@link leaf} */
  branch(ref: PageRef): Promise<readonly PageRef[]>;
  /** Keeps a page in memory that has just been written, for a while. */
  note(place: PagePlace, page: TreePage): void;
  /** The bytes of a leaf. @throws CairnError as {@link leaf} */
  leafBytes(ref: PageRef): Promise<Buffer>;
}

/** Pages that are read one by one; from then on whole blocks, since the caller seems to go through the tree. */
const SINGLE_READS = 4;
const KEPT_BLOCKS = 8;

/** Makes a reader for one piece of work; readers over the same objects may share a cache. */
export function createPageReader(objects: Pick<ObjectStore, 'get'>, cache: PageCache): PageReader {
  const read = createPlaceReader(objects);
  const breathe = createBreather();
  const leafBytes = async (ref: PageRef): Promise<Buffer> => {
    await breathe();
    const bytes = await read(ref.place);
    if (pageId(bytes) !== ref.id) throw damaged(ref);
    return bytes;
  };
  const load = async (ref: PageRef): Promise<TreePage> => {
    // Where all pages are known, nothing else lets others have the event loop.
    await breathe();
    const known = cache.get(ref.place);
    if (known !== undefined) return known;
    const page =
      ref.level === 0 ? leafPage(ref, await leafBytes(ref)) : branchPage(ref, await read(ref.place));
    cache.set(ref.place, page);
    return page;
  };
  return {
    leafBytes,
    note: cache.set,
    leaf: async (ref) => {
      const { entries } = await load(ref);
      if (entries === undefined) throw damaged(ref);
      return entries;
    },
    branch: async (ref) => {
      const { pages } = await load(ref);
      if (pages === undefined) throw damaged(ref);
      return pages;
    },
  };
}

function leafPage(ref: PageRef, bytes: Buffer): TreePage {
  const entries = decoded(ref, () => decodeLeaf(bytes));
  if (entries.length !== ref.entries || entries[0]?.entry.path !== ref.first) throw damaged(ref);
  return { entries };
}

function branchPage(ref: PageRef, bytes: Buffer): TreePage {
  const { id, pages } = decoded(ref, () => decodeBranch(bytes));
  const entries = pages.reduce((sum, page) => sum + page.entries, 0);
  const [first] = pages;
  if (id !== ref.id || first?.level !== ref.level - 1 || first.first !== ref.first || entries !== ref.entries)
    throw damaged(ref);
  return { pages };
}

function decoded<T>(ref: PageRef, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw damaged(ref, error);
  }
}

/** Reads single places at first, and later blocks that have many. */
function createPlaceReader(objects: Pick<ObjectStore, 'get'>): (place: PagePlace) => Promise<Buffer> {
  const readBlocks = createBlockReader(objects, KEPT_BLOCKS);
  let reads = 0;
  return async ({ key, offset, lengthBytes }) => {
    const end = offset + lengthBytes;
    reads += 1;
    if (reads <= SINGLE_READS) return whole(await rangeOf(objects, key, offset, end), key, lengthBytes);
    const pieces: Buffer[] = [];
    for await (const piece of readBlocks(key, { from: offset, to: end })) {
      if (piece === undefined) throw gone(key);
      pieces.push(piece);
    }
    // A copy: a piece would keep its whole block in memory.
    return whole(Buffer.concat(pieces), key, lengthBytes);
  };
}

async function rangeOf(
  objects: Pick<ObjectStore, 'get'>,
  key: string,
  from: number,
  to: number,
): Promise<Buffer> {
  const found = await objects.get(key, { from, to });
  if (found === undefined || found === 'unchanged') throw gone(key);
  return bytesOfObject(found);
}

function whole(bytes: Buffer, key: string, lengthBytes: number): Buffer {
  if (bytes.byteLength !== lengthBytes) throw gone(key);
  return bytes;
}

function gone(key: string): CairnError {
  const message = `a part of the published tree is gone from the object "${key}"; a tree that is read for over an hour may have been replaced meanwhile: try again`;
  return new CairnError('storage-io', message, { details: { key } });
}

function damaged({ id, place: { key } }: PageRef, cause?: unknown): CairnError {
  const message = `the object "${key}" is damaged: it has other bytes than those of the page ${id} of the published tree`;
  return new CairnError('storage-io', message, { cause, details: { key, page: id } });
}
