/** Small segments of a packed chunk, read together: a file by itself would cost more for its piece than for its bytes. */
import type { Segment } from '../manifest/layout.ts';

/** Segments up to this size are read together, so many bytes at a time. */
const SMALL_BYTES = 64 * 1024;
const BATCH_BYTES = 256 * 1024;
/** A reader that reads one byte more than expected notices that a file has more. */
const SPARE_BYTES = 1;

/**
 * Reads a segment at once to the start of `into`, which has room for one byte more. False where it cannot; `into` may
 * have changed then.
 */
export type ReadNow = (segment: Segment, into: Uint8Array) => boolean;

/** The bytes of segments that follow each other. */
export interface SegmentBatch {
  /** Whether what is in it has to be taken out before the segment may be added. */
  isFullFor(segment: Segment): boolean;
  /** Adds the bytes of a segment; false where they have to be read in another way. */
  add(segment: Segment): boolean;
  /** Takes out all bytes, perhaps none; the next `add` overwrites them. */
  take(): Uint8Array;
}

/** Makes an empty batch; it takes memory once it has a segment. Without `readNow` it takes none. */
export function createSegmentBatch(readNow: ReadNow | undefined): SegmentBatch {
  let bytes: Uint8Array | undefined;
  let used = 0;
  return {
    isFullFor: ({ lengthBytes }) => lengthBytes <= SMALL_BYTES && used + lengthBytes > BATCH_BYTES,
    add: (segment) => {
      const { lengthBytes } = segment;
      if (readNow === undefined || lengthBytes > SMALL_BYTES) return false;
      bytes ??= new Uint8Array(BATCH_BYTES + SPARE_BYTES);
      if (!readNow(segment, bytes.subarray(used))) return false;
      used += lengthBytes;
      return true;
    },
    take: () => {
      const taken = bytes?.subarray(0, used) ?? new Uint8Array(0);
      used = 0;
      return taken;
    },
  };
}
