/** Whether the chunks of a transfer are compressed: always, never, or while the line is so slow that it pays. */
import type { CompressMode } from '../api/options.ts';
import type { ChunkEncoding } from '../../session/encoding.ts';
import { createByteBudget, type ByteBudget } from '../../transfer/byte-budget.ts';
import { OWN_ENCODINGS } from '../../transfer/zlib-pump.ts';
import { watchLine, type Crossing } from './line-rate.ts';

/** Compression, as the chunks of one transfer see it. */
export interface Compression {
  /** The encodings to offer to a server; undefined for none. */
  readonly offers: ChunkEncoding[] | undefined;
  /** A chunk sets off, and will have crossed the line with so many bytes at most. */
  started(bytes: number): Crossing;
  /** The encoding for a chunk that is sent or asked for now; undefined for none. */
  encodingFor(agreed: readonly string[] | undefined): ChunkEncoding | undefined;
  /** Memory for chunks that are, or are being, compressed here. */
  readonly memory: ByteBudget;
}

/**
 * Below this rate of the line, in bytes a millisecond, compressing pays: what crosses it then takes about a third of one
 * core to compress (text at level 1, one core: gzip 150 MB/s to 0.24, zstd 380 MB/s to 0.20), and its receiver less.
 */
const PAYS_BELOW: Readonly<Record<ChunkEncoding, number>> = { zstd: 25_000, gzip: 8_000 };
/** Only a line that is so many times faster than that ends it: else it would be turned on and off all the time. */
const FASTER = 2;
const MEMORY_BYTES = 32 * 1024 * 1024;

/** Lets a part of a chunk cross the line. `work` says how many bytes that took, once they have all arrived. */
export async function crossingLine<T>(
  { compression }: { readonly compression: Compression },
  bytes: number,
  work: (arrived: (wireBytes: number) => void) => Promise<T>,
): Promise<T> {
  const crossing = compression.started(bytes);
  let arrivedBytes = 0;
  try {
    return await work((wireBytes) => {
      arrivedBytes = wireBytes;
    });
  } finally {
    crossing.over(arrivedBytes);
  }
}

/** Makes the compression of one transfer. */
export function createCompression({
  mode = 'auto',
  encodings = OWN_ENCODINGS,
  now,
}: {
  readonly mode?: CompressMode | undefined;
  /** What to offer, the better first; all that this runtime has, where undefined. */
  readonly encodings?: readonly ChunkEncoding[] | undefined;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}): Compression {
  /** The encodings that pay on the line as it is. */
  const paying = new Set<ChunkEncoding>();
  const line = watchLine(now, ({ least, most }) => {
    for (const encoding of encodings) {
      if (most < PAYS_BELOW[encoding]) paying.add(encoding);
      else if (least > PAYS_BELOW[encoding] * FASTER) paying.delete(encoding);
    }
  });
  return {
    offers: mode === 'never' || encodings.length === 0 ? undefined : [...encodings],
    started: (bytes) => line.started(bytes),
    encodingFor: (agreed = []) => {
      if (mode === 'never') return undefined;
      const encoding = encodings.find((own) => agreed.includes(own));
      if (encoding === undefined) return undefined;
      return mode === 'always' || paying.has(encoding) ? encoding : undefined;
    },
    memory: createByteBudget(MEMORY_BYTES),
  };
}
