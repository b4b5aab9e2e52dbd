/** A chunk's body compressed, where that makes it smaller, and back again as it arrives. */
import { CairnError } from '../base/errors.ts';
import type { ChunkEncoding } from '../session/encoding.ts';
import { openDecoder, openEncoder } from './zlib-pump.ts';

/** The body of a chunk in an encoding, in memory. */
export interface EncodedBody {
  readonly encoding: ChunkEncoding;
  readonly pieces: readonly Uint8Array[];
  readonly lengthBytes: number;
}

/** What is tried before the rest is. */
const SAMPLE_BYTES = 64 * 1024;
/** Whatever is not smaller than this part of itself is not worth the work of both sides. */
const WORTH = 0.9;

/**
 * Compresses the body of a chunk: its bytes and its digest. Undefined where it does not shrink, of which the first bytes
 * already tell; the rest is not even read then. At most 0.9 of `decodedBytes` are in memory.
 *
 * @param pieces each is used up when the next one is asked for
 * @throws what `pieces` throws
 */
export async function encodeBody(
  pieces: AsyncIterable<Uint8Array>,
  { encoding, decodedBytes }: { readonly encoding: ChunkEncoding; readonly decodedBytes: number },
): Promise<EncodedBody | undefined> {
  const encoder = openEncoder(encoding);
  const encoded: Uint8Array[] = [];
  let lengthBytes = 0;
  let takenBytes = 0;
  const keep = async (output: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const piece of output) {
      encoded.push(piece);
      lengthBytes += piece.byteLength;
    }
  };
  try {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.byteLength;) {
        const isSample = takenBytes < SAMPLE_BYTES;
        const part = piece.subarray(at, isSample ? at + SAMPLE_BYTES - takenBytes : undefined);
        at += part.byteLength;
        takenBytes += part.byteLength;
        await keep(encoder.write(part));
        if (isSample && takenBytes >= SAMPLE_BYTES) {
          await keep(encoder.flush());
          if (lengthBytes > takenBytes * WORTH) return undefined;
        }
        if (lengthBytes > decodedBytes * WORTH) return undefined;
      }
    }
    await keep(encoder.end());
    return lengthBytes > decodedBytes * WORTH ? undefined : { encoding, pieces: encoded, lengthBytes };
  } finally {
    await encoder.close();
  }
}

/**
 * Decompresses the body of a chunk as it arrives. What came before `source` broke has come out when its error does. No
 * more is decompressed than is asked for, so that a reader that knows how much belongs there can stop at the first byte too many.
 *
 * @throws CairnError `chunk-digest-mismatch` for what is not of this encoding, or has something behind its end;
 * `chunk-incomplete` for what ends early; what `source` throws
 */
export async function* decodeBody(
  source: AsyncIterable<Uint8Array>,
  { encoding, chunk }: { readonly encoding: ChunkEncoding; readonly chunk: number },
): AsyncGenerator<Uint8Array> {
  const decoder = openDecoder(encoding);
  let arrivedBytes = 0;
  try {
    for await (const piece of source) {
      arrivedBytes += piece.byteLength;
      if (decoder.isOver) throw damaged(chunk, encoding, undefined);
      yield* explained(decoder.write(piece), { encoding, chunk });
    }
    yield* explained(decoder.end(), { encoding, chunk });
    if (decoder.bytesTaken < arrivedBytes) throw damaged(chunk, encoding, undefined);
  } finally {
    await decoder.close();
  }
}

/** Says in cairn's own words what zlib found. */
async function* explained(
  output: AsyncGenerator<Uint8Array>,
  { encoding, chunk }: { readonly encoding: ChunkEncoding; readonly chunk: number },
): AsyncGenerator<Uint8Array> {
  try {
    yield* output;
  } catch (error) {
    const isCut = error instanceof Error && 'code' in error && error.code === 'Z_BUF_ERROR';
    if (!isCut) throw damaged(chunk, encoding, error);
    const message = `chunk ${chunk} ends before its ${encoding} does; it is sent again`;
    throw new CairnError('chunk-incomplete', message, { cause: error, details: { chunk } });
  }
}

function damaged(chunk: number, encoding: ChunkEncoding, cause: unknown): CairnError {
  const message = `chunk ${chunk} arrived as something that is no ${encoding} of it; it is sent again`;
  return new CairnError('chunk-digest-mismatch', message, { cause, details: { chunk, encoding } });
}
