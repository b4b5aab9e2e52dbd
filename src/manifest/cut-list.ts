/** Blocks of a file, or grains of blocks, in order: typed arrays, since a file may have millions. */

/** Blocks or grains in order: the length and the id of each. */
export interface CutList {
  readonly count: number;
  readonly lengths: Uint32Array;
  /** The ids, one behind the other. */
  readonly ids: Buffer;
  readonly idBytes: number;
}

/** Collects a {@link CutList}. */
export interface CutListBuilder {
  /** Adds a length, and answers where in `ids` its id is to be written now. */
  add(lengthBytes: number): { readonly ids: Buffer; readonly at: number };
  finish(): CutList;
}

const FIRST_COUNT = 64;

/** Makes a {@link CutListBuilder} for ids of so many bytes. */
export function createCutListBuilder(idBytes: number): CutListBuilder {
  let count = 0;
  let lengths = new Uint32Array(FIRST_COUNT);
  let ids = Buffer.alloc(FIRST_COUNT * idBytes);
  const grow = (): void => {
    const longer = new Uint32Array(2 * lengths.length);
    longer.set(lengths);
    lengths = longer;
    ids = Buffer.concat([ids, Buffer.alloc(ids.byteLength)]);
  };
  return {
    add: (lengthBytes) => {
      if (count === lengths.length) grow();
      lengths[count] = lengthBytes;
      count += 1;
      return { ids, at: (count - 1) * idBytes };
    },
    finish: () => ({
      count,
      idBytes,
      lengths: lengths.subarray(0, count),
      ids: ids.subarray(0, count * idBytes),
    }),
  };
}
