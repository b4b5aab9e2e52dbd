/**
 * What the other side tells of its version of a file while this side cuts its own. Where both are the same, the next block of that
 * version is the next one here, too: one hash proves it, which costs less than to find its end.
 */
import type { CutList } from './cut-list.ts';
import { BLOCK_BYTES } from './gear2.ts';
import { createArrivingBlocks } from './arriving-blocks.ts';

/** A block that may come next. */
export interface ExpectedBlock {
  readonly lengthBytes: number;
  readonly id: Uint8Array;
}

/** Guides the cutting of one file by the blocks of its other version, which arrive meanwhile. */
export interface CutGuide {
  /** Takes records of blocks as they arrive; `from` is how many bytes of records came before them. */
  take(from: number, records: Uint8Array): void;
  /** No more records will come. */
  end(): void;
  /**
   * The block that lies in the other version where this file goes on. Waits until it has come; undefined where no block begins
   * there. `leftBytes` is how many bytes this file still has.
   */
  expect(at: number, leftBytes: number): ExpectedBlock | undefined | Promise<ExpectedBlock | undefined>;
  /** Looks for a block that was cut here, the last one of a list: from there on both versions may be the same again. */
  lineUp(at: number, own: CutList): void;
}

/** Makes a {@link CutGuide} for ids of so many bytes; `sizeBytes` is the size of the other version where that is known. */
export function createCutGuide(idBytes: number, sizeBytes = Infinity): CutGuide {
  const told = createArrivingBlocks(idBytes, sizeBytes);
  let isOver = false;
  /** How much further back a block lies in the other version than here, and which one comes next there. */
  let shiftBytes = 0;
  let next = 0;
  let wake: (() => void) | undefined;
  /** Whether it is known which block begins at this place of the other version, and that one comes behind it. */
  const isKnown = (place: number): boolean =>
    isOver || told.isEnded() || place < told.startOf(told.list().count - 1);
  const look = (place: number, leftBytes: number): ExpectedBlock | undefined => {
    const index = told.blockAt(place, next);
    if (index < 0) return undefined;
    const { count, lengths, ids } = told.list();
    const lengthBytes = lengths[index]!;
    // Shorter ones, and the last one, end with their file: they are the same here only where this file ends, too.
    const needsEnd = lengthBytes < BLOCK_BYTES.min || index + 1 === count;
    if (lengthBytes > BLOCK_BYTES.max || lengthBytes > leftBytes) return undefined;
    if (needsEnd && lengthBytes !== leftBytes) return undefined;
    next = index + 1;
    return { lengthBytes, id: ids.subarray(index * idBytes, (index + 1) * idBytes) };
  };
  const wait = async (place: number, leftBytes: number): Promise<ExpectedBlock | undefined> => {
    while (!isKnown(place)) await new Promise<void>((done) => (wake = done));
    return look(place, leftBytes);
  };
  return {
    take: (from, records) => {
      told.take(from, records);
      wake?.();
    },
    end: () => {
      isOver = true;
      wake?.();
    },
    expect: (at, leftBytes) => {
      const place = at + shiftBytes;
      return isKnown(place) ? look(place, leftBytes) : wait(place, leftBytes);
    },
    lineUp: (at, own) => {
      const found = told.sameAsLast(own);
      if (found < 0) return;
      shiftBytes = told.startOf(found) - at;
      next = found + 1;
    },
  };
}
