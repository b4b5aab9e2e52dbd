/** The body of a request that brings a chunk: as it is, or compressed where that is wished and makes it smaller. */
import type { ChunkEncoding } from '../../session/encoding.ts';
import { encodeBody } from '../../transfer/compressed-chunk.ts';
import { wireBody } from '../http/wire-body.ts';
import type { ChunkBody } from '../session/chunk-calls.ts';
import type { Compression } from '../transfer/compression.ts';

/** What a body is made of. */
export interface BodySource {
  /** Payload bytes that are to be sent. */
  readonly payloadBytes: number;
  readonly digestLengthBytes: number;
  /** Their bytes, then the digest. Called again where the first look showed that they do not shrink. */
  readonly read: () => AsyncIterable<Uint8Array>;
  /** Told of payload bytes once the socket has taken them: exactly, or as a share of the compressed ones. */
  readonly onPayload: (bytes: number) => void;
}

/** A body to send. Release it when the request is over. */
export interface OutgoingBody extends ChunkBody {
  /** Bytes on the wire for one byte of the chunk: 1 where it goes as it is. */
  readonly share: number;
  release(): void;
}

/**
 * Makes the body; with an encoding it waits for memory, and the compressed bytes stay there until it is released.
 *
 * @throws what `read` throws, the signal's reason
 */
export async function openBody(
  source: BodySource,
  encoding: ChunkEncoding | undefined,
  { memory, signal }: { readonly memory: Compression['memory']; readonly signal: AbortSignal | undefined },
): Promise<OutgoingBody> {
  const encoded = encoding === undefined ? undefined : await compressed(source, encoding, { memory, signal });
  if (encoded !== undefined) return encoded;
  const { payloadBytes, digestLengthBytes, read, onPayload } = source;
  return {
    lengthBytes: payloadBytes + digestLengthBytes,
    pieces: wireBody(read(), payloadBytes, onPayload),
    share: 1,
    release: () => undefined,
  };
}

async function compressed(
  { payloadBytes, digestLengthBytes, read, onPayload }: BodySource,
  encoding: ChunkEncoding,
  { memory, signal }: { readonly memory: Compression['memory']; readonly signal: AbortSignal | undefined },
): Promise<OutgoingBody | undefined> {
  const decodedBytes = payloadBytes + digestLengthBytes;
  const room = await memory.take(decodedBytes, signal);
  try {
    const body = await encodeBody(read(), { encoding, decodedBytes });
    if (body === undefined) {
      room.release();
      return undefined;
    }
    const { pieces, lengthBytes } = body;
    room.shrink(lengthBytes);
    const share = lengthBytes / decodedBytes;
    let wire = 0;
    let told = 0;
    const onWire = (bytes: number): void => {
      wire += bytes;
      const reached = Math.floor((payloadBytes * wire) / lengthBytes);
      onPayload(reached - told);
      told = reached;
    };
    return {
      lengthBytes,
      encoded: { encoding, decodedBytes },
      pieces: wireBody(pieces, lengthBytes, onWire),
      share,
      release: room.release,
    };
  } catch (error) {
    room.release();
    throw error;
  }
}
