/** Reads the bytes of a published file out of the objects that hold them. */
import { createBlockReader } from '../objects/object-blocks.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { Extent } from '../entry-tree/tree-entry.ts';

/** Reads ranges of extents; undefined where an object is gone. */
export type ReadExtents = (
  extents: readonly Extent[],
  range: { readonly from: number; readonly to: number },
) => AsyncGenerator<Uint8Array | undefined>;

/** Files that are smaller lie beside others in one object, and are read together with them. */
const SMALL_BYTES = 128 * 1024;
const KEPT_BLOCKS = 16;

/** Makes the reader of one store, which keeps a few blocks of small files in memory. */
export function createExtentReader(objects: Pick<ObjectStore, 'get'>): ReadExtents {
  const readBlocks = createBlockReader(objects, KEPT_BLOCKS);
  async function* large(
    key: string,
    range: { readonly from: number; readonly to: number },
  ): AsyncGenerator<Uint8Array | undefined> {
    const found = await objects.get(key, range);
    if (found === undefined || found === 'unchanged') {
      yield undefined;
      return;
    }
    try {
      yield* found.bytes;
    } finally {
      await found.close();
    }
  }
  return async function* (extents, { from, to }) {
    let at = 0;
    for (const { key, from: start, lengthBytes } of extents) {
      const first = Math.max(from, at);
      const last = Math.min(to, at + lengthBytes);
      const wanted = { from: start + first - at, to: start + last - at };
      if (last > first) yield* lengthBytes < SMALL_BYTES ? readBlocks(key, wanted) : large(key, wanted);
      at += lengthBytes;
    }
  };
}
