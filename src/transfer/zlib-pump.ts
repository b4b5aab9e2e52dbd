/**
 * The compressors of this runtime, one piece at a time: all output of a piece comes before the next one goes in. So a
 * source may reuse its memory, a cut loses no bytes that arrived, and no data piles up in between.
 */
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { CHUNK_ENCODINGS, ZSTD_WINDOW_LOG, type ChunkEncoding } from '../session/encoding.ts';

/** Most bytes of one piece of output. */
const PIECE_BYTES = 64 * 1024;
/** The fastest: the line is the bottleneck. */
const LEVEL = 1;

/** The calls that zlib has from Node 22.15 on, and the types of Node 20 lack. */
interface ZstdOfZlib {
  readonly createZstdCompress?: (options: object) => ZlibStream;
  readonly createZstdDecompress?: (options: object) => ZlibStream;
  readonly constants: Readonly<Record<string, number>>;
}

interface ZlibStream extends Transform {
  /** Bytes of input that zlib has processed. */
  readonly bytesWritten: number;
  flush(kind: number, done: () => void): void;
}

const { createZstdCompress, createZstdDecompress, constants } = zlib as unknown as ZstdOfZlib;
const hasZstd = createZstdCompress !== undefined && createZstdDecompress !== undefined;

/** The encodings of this runtime, the better ones first. */
export const OWN_ENCODINGS: readonly ChunkEncoding[] = CHUNK_ENCODINGS.filter(
  (encoding) => encoding !== 'zstd' || hasZstd,
);

/** A compressor or decompressor. Close it. */
export interface ZlibPump {
  /** Takes a piece and yields its output. @throws zlib's error */
  write(piece: Uint8Array): AsyncGenerator<Uint8Array>;
  /** Yields the output that zlib has kept back, so that the other side can decode every byte written so far. */
  flush(): AsyncGenerator<Uint8Array>;
  /** Ends the input and yields the rest of the output. @throws zlib's error */
  end(): AsyncGenerator<Uint8Array>;
  /** Bytes of input that were processed; bytes behind the end of the encoding are not. */
  readonly bytesTaken: number;
  /** Whether the encoding has ended. */
  readonly isOver: boolean;
  close(): Promise<void>;
}

/** Opens a compressor of an encoding in {@link OWN_ENCODINGS}. */
export function openEncoder(encoding: ChunkEncoding): ZlibPump {
  if (encoding === 'gzip')
    return pumpOf(zlib.createGzip({ level: LEVEL, chunkSize: PIECE_BYTES }), zlib.constants.Z_SYNC_FLUSH);
  const params = { [constants['ZSTD_c_compressionLevel']!]: LEVEL };
  return pumpOf(createZstdCompress!({ params, chunkSize: PIECE_BYTES }), constants['ZSTD_e_flush']!);
}

/** Opens a decompressor of an encoding in {@link OWN_ENCODINGS}; its memory is bounded for any input. */
export function openDecoder(encoding: ChunkEncoding): ZlibPump {
  if (encoding === 'gzip')
    return pumpOf(zlib.createGunzip({ chunkSize: PIECE_BYTES }), zlib.constants.Z_SYNC_FLUSH);
  const params = { [constants['ZSTD_d_windowLogMax']!]: ZSTD_WINDOW_LOG };
  return pumpOf(createZstdDecompress!({ params, chunkSize: PIECE_BYTES }), constants['ZSTD_e_flush']!);
}

function pumpOf(created: Transform, flushKind: number): ZlibPump {
  const stream = created as ZlibStream;
  let failure: { readonly error: unknown } | undefined;
  let wake = (): void => undefined;
  const onChange = (): void => wake();
  stream.on('readable', onChange).on('end', onChange);
  stream.on('error', (error) => {
    failure ??= { error };
    wake();
  });
  async function* outputOf(begin: (done: () => void) => void): AsyncGenerator<Uint8Array> {
    let isDone = false;
    begin(() => {
      isDone = true;
      wake();
    });
    for (;;) {
      const piece = stream.read() as Uint8Array | null;
      if (piece !== null) yield piece;
      else if (failure !== undefined) throw failure.error;
      else if (isDone || stream.readableEnded) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  return {
    write: (piece) => outputOf((done) => void stream.write(piece, done)),
    flush: () => outputOf((done) => stream.flush(flushKind, done)),
    // It ends when all output was read, not when all input was written.
    end: () => outputOf(() => void stream.end()),
    get bytesTaken() {
      return stream.bytesWritten;
    },
    get isOver() {
      return stream.readableEnded;
    },
    close: async () => {
      if (stream.closed) return;
      const closed = new Promise<void>((resolve) => void stream.once('close', resolve));
      stream.destroy();
      await closed;
    },
  };
}
