/**
 * The compressors of this runtime, one piece at a time: what a piece gives has come out before the next one goes in. So a
 * source may use its memory again, what arrived before a cut is never lost, and nothing piles up in between.
 */
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { CHUNK_ENCODINGS, ZSTD_WINDOW_LOG, type ChunkEncoding } from '../session/encoding.ts';

/** Bytes that come out at a time at most. */
const PIECE_BYTES = 64 * 1024;
/** The fastest: what is slow here is the line. */
const LEVEL = 1;

/** What zlib has from Node 22.15 on, and the types of Node 20 do not know. */
interface ZstdOfZlib {
  readonly createZstdCompress?: (options: object) => ZlibStream;
  readonly createZstdDecompress?: (options: object) => ZlibStream;
  readonly constants: Readonly<Record<string, number>>;
}

interface ZlibStream extends Transform {
  /** Bytes that were taken in and looked at. */
  readonly bytesWritten: number;
  flush(kind: number, done: () => void): void;
}

const { createZstdCompress, createZstdDecompress, constants } = zlib as unknown as ZstdOfZlib;
const hasZstd = createZstdCompress !== undefined && createZstdDecompress !== undefined;

/** Encodings that this runtime has, the better first. */
export const OWN_ENCODINGS: readonly ChunkEncoding[] = CHUNK_ENCODINGS.filter(
  (encoding) => encoding !== 'zstd' || hasZstd,
);

/** A compressor or decompressor. Close it. */
export interface ZlibPump {
  /** Takes a piece in and gives what comes out of it. @throws zlib's error */
  write(piece: Uint8Array): AsyncGenerator<Uint8Array>;
  /** Gives what is still inside, so that all that was written can be told. */
  flush(): AsyncGenerator<Uint8Array>;
  /** Ends the input and gives what is left. @throws zlib's error */
  end(): AsyncGenerator<Uint8Array>;
  /** Bytes of the input that were looked at; those behind an end are not. */
  readonly bytesTaken: number;
  /** Whether the end of what is encoded has come. */
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

/** Opens a decompressor of an encoding in {@link OWN_ENCODINGS}; its memory is bounded, whatever comes. */
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
    // It is over when all was read, not when all was written.
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
