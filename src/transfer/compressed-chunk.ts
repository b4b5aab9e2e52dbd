/** Compresses a chunk's body where that makes it smaller, and decompresses it as it arrives. */
import { CairnError } from '../base/errors.ts';
import type { ChunkEncoding } from '../session/encoding.ts';
import { openDecoder, openEncoder } from './zlib-pump.ts';

/** An encoded body of a chunk, in memory. */
export interface EncodedBody {
  readonly encoding: ChunkEncoding;
  readonly pieces: readonly Uint8Array[];
  readonly lengthBytes: number;
}

/** The size of the sample that decides whether to compress the rest. */
const SAMPLE_BYTES = 64 * 1024;
/** An encoding that saves less than a tenth is not worth the work of both sides. */
const WORTH = 0.9;

/**
 * Compresses the body of a chunk: its bytes and its digest. Undefined where it does not shrink; where the first bytes
 * already show that, it does not read the rest. At most 0.9 of `decodedBytes` are in memory.
 *
 * @param pieces each piece is valid until this asks for the next one
 * @throws the errors of `pieces`
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
 * Decompresses the body of a chunk as it arrives. It yields all bytes that came before an error of `source`. It
 * decompresses on demand only, so that a reader that knows the length can stop at the first byte too many.
 *
 * @throws CairnError `chunk-digest-mismatch` for a body in another encoding, or with bytes behind its end;
 * `chunk-incomplete` for one that ends early; the errors of `source`
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

/** Replaces zlib's errors by cairn's own. */
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
