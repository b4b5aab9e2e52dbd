/**
 * The pure function manifest → chunks → segments; each side computes it alone and both agree.
 *
 * It goes through the entries in manifest order. A file of at least one chunk's size gets ceil(size / chunk size)
 * chunks of its own. Smaller ones are packed together, whole: one that no longer fits starts the next chunk, and so
 * does one after a large file. Directories, symlinks, empty files, and entries whose bytes the receiver already has
 * take no room.
 */
import { formatBytes } from '../base/byte-text.ts';
import { CairnError } from '../base/errors.ts';
import type { Manifest } from './manifest.ts';

/** The part of one entry that lies in one chunk. */
export interface Segment {
  readonly entryIndex: number;
  /** Where the segment starts in the entry, in bytes; of an entry with parts, among its carried bytes. */
  readonly entryOffset: number;
  /** Where the segment starts in the chunk, in bytes. */
  readonly chunkOffset: number;
  readonly lengthBytes: number;
}

/** Which bytes of which entries each chunk carries. */
export interface Layout {
  /** Number of chunks; `MAX_CHUNKS` for a stream of unknown size. */
  readonly chunkCount: number;
  /** Number of entries that carry bytes. */
  readonly carrierCount: number;
  /** Payload bytes of all chunks; undefined for a stream of unknown size. */
  readonly bytesTotal: number | undefined;
  /** Bytes of a chunk; for a stream of unknown size, the most that it can have. */
  chunkLengthBytes(chunk: number): number;
  /** The segments of a chunk in order, found in O(log n); a chunk of tiny files has a great many. */
  segmentsOf(chunk: number): Iterable<Segment>;
  /** Whether `isSuch` holds for all entries of a chunk. */
  carriesOnly(chunk: number, isSuch: (entryIndex: number) => boolean): boolean;
  /** The chunks of an entry; `count` is 0 where the entry carries no bytes. A packed entry shares its one chunk. */
  chunksOf(entryIndex: number): { readonly first: number; readonly count: number };
  /** Where an entry that carries bytes starts in its first chunk, in bytes. */
  chunkOffsetOf(entryIndex: number): number;
  /** Bytes of an entry that are carried; 0 for a stream of unknown size. */
  carriedBytesOf(entryIndex: number): number;
  /** Whether an entry has chunks of its own: false where it is packed with others, or carries no bytes. */
  isLarge(entryIndex: number): boolean;
}

/** Most chunks of one transfer; a manifest that needs more needs larger chunks. */
export const MAX_CHUNKS = 2 ** 24;

/** Whether a manifest has a stream. */
export function isStream({ entries }: Pick<Manifest, 'entries'>): boolean {
  return entries.length > 0 && entries.typeOf(0) === 'stream';
}

/**
 * Computes the layout.
 *
 * @param isPresent whether the receiver already has the bytes of an entry
 * @param partsBytesOf bytes of the parts of an entry that are carried; undefined where all of it is
 * @param streamSizeBytes the size of a stream, once it has ended
 * @throws CairnError `manifest-too-large` for more than {@link MAX_CHUNKS} chunks
 */
export function createLayout(
  manifest: Pick<Manifest, 'entries' | 'chunkSizeBytes'>,
  options: {
    isPresent?: (entryIndex: number) => boolean;
    partsBytesOf?: (entryIndex: number) => number | undefined;
    streamSizeBytes?: number | undefined;
  } = {},
): Layout {
  if (isStream(manifest)) return streamLayout(manifest.chunkSizeBytes, options.streamSizeBytes);
  const isPresent = options.isPresent ?? (() => false);
  const { chunkSizeBytes, entries } = manifest;
  const bytesOf = (index: number): number => options.partsBytesOf?.(index) ?? entries.sizeOf(index);
  const carriers = carriersOf(entries.length, (index) => bytesOf(index) > 0 && !isPresent(index));
  const firstChunks = new Uint32Array(carriers.length);
  const chunkOffsets = new Uint32Array(carriers.length);
  let next = 0;
  let packedBytes = 0;
  let bytesTotal = 0;
  for (let slot = 0; slot < carriers.length; slot += 1) {
    const sizeBytes = bytesOf(carriers[slot]!);
    const packed = sizeBytes < chunkSizeBytes;
    const fits = packed && packedBytes > 0 && packedBytes + sizeBytes <= chunkSizeBytes;
    if (!fits) packedBytes = 0;
    firstChunks[slot] = fits ? next - 1 : next;
    chunkOffsets[slot] = packedBytes;
    if (!fits) next += packed ? 1 : Math.ceil(sizeBytes / chunkSizeBytes);
    packedBytes = packed ? packedBytes + sizeBytes : 0;
    bytesTotal += sizeBytes;
    if (next > MAX_CHUNKS || !Number.isSafeInteger(bytesTotal)) throw tooManyChunks(chunkSizeBytes);
  }
  return tableLayout(
    { chunkSizeBytes, bytesOf },
    { carriers, firstChunks, chunkOffsets, chunkCount: next, bytesTotal },
  );
}

/** Entries that carry bytes, ascending; counted first, since a list that grows takes several times the memory. */
function carriersOf(entryCount: number, isCarrier: (entryIndex: number) => boolean): Uint32Array {
  let count = 0;
  for (let index = 0; index < entryCount; index += 1) if (isCarrier(index)) count += 1;
  const carriers = new Uint32Array(count);
  let slot = 0;
  for (let index = 0; slot < count; index += 1) if (isCarrier(index)) carriers[slot++] = index;
  return carriers;
}

interface LayoutTable {
  /** Entries that carry bytes, ascending, with their first chunk and their offset in it. */
  readonly carriers: Uint32Array;
  readonly firstChunks: Uint32Array;
  readonly chunkOffsets: Uint32Array;
  readonly chunkCount: number;
  readonly bytesTotal: number;
}

function tableLayout(
  { chunkSizeBytes, bytesOf }: { chunkSizeBytes: number; bytesOf: (entryIndex: number) => number },
  table: LayoutTable,
): Layout {
  const { carriers, firstChunks, chunkOffsets, chunkCount, bytesTotal } = table;
  const sizeOf = (slot: number): number => bytesOf(carriers[slot]!);
  /** The last slot whose first chunk is not behind `chunk`. */
  const lastSlotOf = (chunk: number): number => {
    checkChunk(chunk, chunkCount);
    return lowerBound(firstChunks, chunk + 1) - 1;
  };
  const isPacked = (slot: number): boolean => sizeOf(slot) < chunkSizeBytes;
  const carriedBytesOf = (entryIndex: number): number => {
    const slot = lowerBound(carriers, entryIndex);
    return carriers[slot] === entryIndex ? sizeOf(slot) : 0;
  };
  const firstSlotOf = (chunk: number): number => {
    const last = lastSlotOf(chunk);
    return isPacked(last) ? lowerBound(firstChunks, chunk) : last;
  };

  const segmentAt = (slot: number, chunk: number): Segment => {
    const entryOffset = (chunk - firstChunks[slot]!) * chunkSizeBytes;
    const lengthBytes = Math.min(chunkSizeBytes, sizeOf(slot) - entryOffset);
    return { entryIndex: carriers[slot]!, entryOffset, chunkOffset: chunkOffsets[slot]!, lengthBytes };
  };

  function* segments(first: number, last: number, chunk: number): Generator<Segment> {
    for (let slot = first; slot <= last; slot += 1) yield segmentAt(slot, chunk);
  }

  return {
    chunkCount,
    carrierCount: carriers.length,
    bytesTotal,
    segmentsOf: (chunk) => segments(firstSlotOf(chunk), lastSlotOf(chunk), chunk),
    carriesOnly: (chunk, isSuch) => {
      const last = lastSlotOf(chunk);
      for (let slot = firstSlotOf(chunk); slot <= last; slot += 1) if (!isSuch(carriers[slot]!)) return false;
      return true;
    },
    chunkLengthBytes: (chunk) => {
      const { chunkOffset, lengthBytes } = segmentAt(lastSlotOf(chunk), chunk);
      return chunkOffset + lengthBytes;
    },
    chunksOf: (entryIndex) => {
      const slot = lowerBound(carriers, entryIndex);
      if (carriers[slot] !== entryIndex) return { first: 0, count: 0 };
      return { first: firstChunks[slot]!, count: Math.ceil(sizeOf(slot) / chunkSizeBytes) };
    },
    chunkOffsetOf: (entryIndex) => chunkOffsets[lowerBound(carriers, entryIndex)] ?? 0,
    carriedBytesOf,
    isLarge: (entryIndex) => carriedBytesOf(entryIndex) >= chunkSizeBytes,
  };
}

function streamLayout(chunkSizeBytes: number, sizeBytes: number | undefined): Layout {
  const chunkCount = sizeBytes === undefined ? MAX_CHUNKS : Math.ceil(sizeBytes / chunkSizeBytes);
  if (chunkCount > MAX_CHUNKS) throw tooManyChunks(chunkSizeBytes);
  const chunkLengthBytes = (chunk: number): number => {
    checkChunk(chunk, chunkCount);
    return sizeBytes === undefined
      ? chunkSizeBytes
      : Math.min(chunkSizeBytes, sizeBytes - chunk * chunkSizeBytes);
  };
  return {
    chunkCount,
    carrierCount: 1,
    bytesTotal: sizeBytes,
    chunkLengthBytes,
    segmentsOf: (chunk) => [
      {
        entryIndex: 0,
        entryOffset: chunk * chunkSizeBytes,
        chunkOffset: 0,
        lengthBytes: chunkLengthBytes(chunk),
      },
    ],
    carriesOnly: (_chunk, isSuch) => isSuch(0),
    chunksOf: (entryIndex) => ({ first: 0, count: entryIndex === 0 ? chunkCount : 0 }),
    chunkOffsetOf: () => 0,
    carriedBytesOf: () => sizeBytes ?? 0,
    isLarge: (entryIndex) => entryIndex === 0,
  };
}

/** The first slot whose value is at least `value`. */
function lowerBound(values: Uint32Array, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkChunk(chunk: number, chunkCount: number): void {
  if (Number.isInteger(chunk) && chunk >= 0 && chunk < chunkCount) return;
  throw new CairnError('chunk-out-of-range', `there is no chunk ${chunk}: the transfer has ${chunkCount}`);
}

function tooManyChunks(chunkSizeBytes: number): CairnError {
  return new CairnError(
    'manifest-too-large',
    `the transfer needs more than ${MAX_CHUNKS} chunks of ${formatBytes(chunkSizeBytes)}; choose a larger --chunk-size`,
  );
}
