/** Reads the bytes of a published file out of the objects that hold them. */
import { bytesOfObject } from '../objects/object-body.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { Extent } from '../entry-tree/tree-entry.ts';

/** Reads ranges of extents; undefined where an object is gone. */
export type ReadExtents = (
  extents: readonly Extent[],
  range: { readonly from: number; readonly to: number },
) => AsyncGenerator<Uint8Array | undefined>;

/** Files that are smaller lie beside others in one object, and are read together with them. */
const SMALL_BYTES = 128 * 1024;
const BLOCK_BYTES = 1024 * 1024;
const KEPT_BLOCKS = 16;

/** Makes the reader of one store, which keeps a few blocks of small files in memory. */
export function createExtentReader(objects: Pick<ObjectStore, 'get'>): ReadExtents {
  const blocks = new Map<string, Promise<Buffer | undefined>>();
  const load = async (key: string, from: number): Promise<Buffer | undefined> => {
    const found = await objects.get(key, { from, to: from + BLOCK_BYTES });
    return found === undefined || found === 'unchanged' ? undefined : bytesOfObject(found);
  };
  const blockOf = (key: string, number: number): Promise<Buffer | undefined> => {
    const name = `${key}:${number}`;
    const block = blocks.get(name) ?? load(key, number * BLOCK_BYTES);
    block.catch(() => blocks.delete(name));
    blocks.delete(name);
    blocks.set(name, block);
    const [oldest] = blocks.keys();
    if (blocks.size > KEPT_BLOCKS && oldest !== undefined) blocks.delete(oldest);
    return block;
  };
  async function* small({ key, from, lengthBytes }: Extent): AsyncGenerator<Uint8Array | undefined> {
    const end = from + lengthBytes;
    for (let number = Math.floor(from / BLOCK_BYTES); number * BLOCK_BYTES < end; number += 1) {
      const start = number * BLOCK_BYTES;
      const block = await blockOf(key, number);
      // A copy is not needed: no code writes to a block.
      yield block?.subarray(Math.max(0, from - start), end - start);
    }
  }
  async function* large({ key, from, lengthBytes }: Extent): AsyncGenerator<Uint8Array | undefined> {
    const found = await objects.get(key, { from, to: from + lengthBytes });
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
      const wanted = { key, from: start + first - at, lengthBytes: last - first };
      if (last > first) yield* lengthBytes < SMALL_BYTES ? small(wanted) : large(wanted);
      at += lengthBytes;
    }
  };
}
