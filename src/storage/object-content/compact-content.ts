/**
 * Copies what is still needed out of objects that are half dead, into new ones: packed chunks of which most files were
 * replaced. The files keep their identity, so that who reads them goes on.
 */
import { randomBytes } from 'node:crypto';
import type { TreeChange } from '../entry-tree/change-merge.ts';
import { type Extent, identityOf, type TreeEntry } from '../entry-tree/tree-entry.ts';
import type { TreeReader } from '../entry-tree/tree-reader.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { createCommandWriter, newCommandPrefix, type PublishedTree } from './published-tree.ts';
import { createExtentReader } from './read-extents.ts';

const OBJECT_BYTES = 8 * 1024 * 1024;
const BATCH_ENTRIES = 100;

/** Moves the bytes of all files out of some objects, which then can be freed. @throws CairnError storage codes */
export async function compactContent(tree: PublishedTree, keys: ReadonlySet<string>): Promise<void> {
  if (keys.size === 0) return;
  const { objects } = tree;
  await tree.change(
    async (root) => {
      // Each try writes objects of its own: those of a try that lost may be freed.
      const copies = createCopies(objects);
      const changes = moved(tree.view(root), keys, copies.copy);
      const next = await tree.apply(root, changes, createCommandWriter(objects));
      await copies.finish();
      return { tree: next, recent: root.recent };
    },
    { isLong: true },
  );
}

type Copy = (extent: Extent) => Promise<Extent | undefined>;

async function* moved(view: TreeReader, keys: ReadonlySet<string>, copy: Copy): AsyncGenerator<TreeChange[]> {
  const root = await view.find('');
  let batch: TreeChange[] = [];
  const add = async (each: TreeEntry): Promise<void> => {
    if (!each.extents.some(({ key }) => keys.has(key))) return;
    const extents: Extent[] = [];
    for (const extent of each.extents) {
      const copied = keys.has(extent.key) ? await copy(extent) : extent;
      // What is gone can be copied no more; the file stays as it is, for its reader to say so.
      if (copied === undefined) return;
      extents.push(copied);
    }
    const { path } = each.entry;
    batch.push({ path, entry: { entry: each.entry, extents, identity: identityOf(each) } });
  };
  if (root !== undefined) await add(root);
  for await (const each of view.below('')) {
    await add(each);
    if (batch.length < BATCH_ENTRIES) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

/** Collects copies in new objects. */
function createCopies(objects: ObjectStore): { readonly copy: Copy; readonly finish: () => Promise<void> } {
  const read = createExtentReader(objects);
  const prefix = newCommandPrefix();
  const newKey = (): string => `${prefix}p-${randomBytes(12).toString('hex')}`;
  let key = newKey();
  let pieces: Uint8Array[] = [];
  let offset = 0;
  const finish = async (): Promise<void> => {
    if (pieces.length === 0) return;
    await objects.put(key, Buffer.concat(pieces));
    key = newKey();
    pieces = [];
    offset = 0;
  };
  const copy: Copy = async (extent) => {
    if (offset > 0 && offset + extent.lengthBytes > OBJECT_BYTES) await finish();
    const own: Uint8Array[] = [];
    for await (const piece of read([extent], { from: 0, to: extent.lengthBytes })) {
      if (piece === undefined) return undefined;
      own.push(Uint8Array.from(piece));
    }
    pieces.push(...own);
    const place = { key, from: offset, lengthBytes: extent.lengthBytes };
    offset += extent.lengthBytes;
    return place;
  };
  return { copy, finish };
}
