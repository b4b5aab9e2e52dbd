/** Ranges of objects that never change, read in blocks, of which a few stay in memory: neighbours cost one request. */
import { bytesOfObject } from './object-body.ts';
import type { ObjectStore } from './object-store.ts';

const BLOCK_BYTES = 1024 * 1024;

/**
 * Reads `[from, to)` of an object, in pieces that must not be written to; undefined for each block whose object is gone. The
 * end of an object ends it early.
 */
export type ReadBlocks = (
  key: string,
  range: { readonly from: number; readonly to: number },
) => AsyncGenerator<Buffer | undefined>;

/** Makes a reader that keeps so many blocks, those that were used last. It throws the errors of the store. */
export function createBlockReader(objects: Pick<ObjectStore, 'get'>, keptBlocks: number): ReadBlocks {
  const blocks = new Map<string, Promise<Buffer | undefined>>();
  const load = async (key: string, from: number): Promise<Buffer | undefined> => {
    const found = await objects.get(key, { from, to: from + BLOCK_BYTES });
    return found === undefined || found === 'unchanged' ? undefined : bytesOfObject(found);
  };
  const begin = (name: string, key: string, from: number): Promise<Buffer | undefined> => {
    const block = load(key, from);
    block.catch(() => blocks.delete(name));
    return block;
  };
  const blockOf = (key: string, number: number): Promise<Buffer | undefined> => {
    const name = `${key}:${number}`;
    const block = blocks.get(name) ?? begin(name, key, number * BLOCK_BYTES);
    blocks.delete(name);
    blocks.set(name, block);
    const [oldest] = blocks.keys();
    if (blocks.size > keptBlocks && oldest !== undefined) blocks.delete(oldest);
    return block;
  };
  return async function* (key, { from, to }) {
    for (let number = Math.floor(from / BLOCK_BYTES); number * BLOCK_BYTES < to; number += 1) {
      const start = number * BLOCK_BYTES;
      const block = await blockOf(key, number);
      yield block?.subarray(Math.max(0, from - start), to - start);
    }
  };
}
