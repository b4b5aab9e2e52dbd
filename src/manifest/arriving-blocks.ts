/** The blocks of a file whose records arrive bit by bit. */
import { firstIndex } from '../base/first-index.ts';
import { createIdTable } from './cut-index.ts';
import { createCutListBuilder, type CutList } from './cut-list.ts';
import { BLOCK_BYTES } from './gear2.ts';

/** Bytes of the length of a block in its record. */
const LENGTH_BYTES = 3;
const FIRST_COUNT = 64;

/** The blocks that have come so far. */
export interface ArrivingBlocks {
  /** Takes records of blocks; `from` is how many bytes of records came before them. */
  take(from: number, records: Uint8Array): void;
  /** Whether all blocks are known that will be: they have all bytes of the file, or what came next is no block of the chunker. */
  isEnded(): boolean;
  list(): CutList;
  /** Where a block begins, in bytes. */
  startOf(index: number): number;
  /** The block that begins at this place, -1 where none does; `hint` is one that it may be. */
  blockAt(place: number, hint: number): number;
  /** The block that is the same as the last one of another list; -1 where there is none. */
  sameAsLast(own: CutList): number;
}

/** Makes {@link ArrivingBlocks} for ids of so many bytes; `sizeBytes` is the size of the file, `Infinity` where it is not known. */
export function createArrivingBlocks(idBytes: number, sizeBytes: number): ArrivingBlocks {
  const recordBytes = LENGTH_BYTES + idBytes;
  const builder = createCutListBuilder(idBytes);
  const table = createIdTable(FIRST_COUNT);
  let blocks = builder.finish();
  let starts = new Float64Array(FIRST_COUNT);
  let endBytes = 0;
  let rest = Buffer.alloc(0);
  let takenBytes = 0;
  let isBroken = false;
  const isEnded = (): boolean => isBroken || endBytes >= sizeBytes;
  const add = (record: Buffer): void => {
    const lengthBytes = record.readUIntBE(0, LENGTH_BYTES);
    // Only the last block of a file is so short: a hostile server could tell millions that have no bytes.
    const isBehindLast = blocks.count > 0 && blocks.lengths[blocks.count - 1]! < BLOCK_BYTES.min;
    isBroken = isBehindLast || lengthBytes > BLOCK_BYTES.max;
    if (isBroken) return;
    if (blocks.count === starts.length) {
      const longer = new Float64Array(2 * starts.length);
      longer.set(starts);
      starts = longer;
    }
    starts[blocks.count] = endBytes;
    endBytes += lengthBytes;
    const { ids, at } = builder.add(lengthBytes);
    record.copy(ids, at, LENGTH_BYTES);
    blocks = builder.finish();
    table.add(blocks, blocks.count - 1);
  };
  return {
    take: (from, records) => {
      // After a lost connection all comes again.
      if (from > takenBytes || from + records.byteLength <= takenBytes) return;
      rest = Buffer.concat([rest, records.subarray(takenBytes - from)]);
      takenBytes = from + records.byteLength;
      let at = 0;
      for (; at + recordBytes <= rest.byteLength && !isEnded(); at += recordBytes)
        add(rest.subarray(at, at + recordBytes));
      rest = isEnded() ? Buffer.alloc(0) : Buffer.from(rest.subarray(at));
    },
    isEnded,
    list: () => blocks,
    startOf: (index) => starts[index] ?? 0,
    blockAt: (place, hint) => {
      if (hint < blocks.count && starts[hint] === place) return hint;
      const index = firstIndex(blocks.count, (each) => starts[each]! >= place);
      return index < blocks.count && starts[index] === place ? index : -1;
    },
    sameAsLast: (own) => table.find(blocks, own, own.count - 1),
  };
}
