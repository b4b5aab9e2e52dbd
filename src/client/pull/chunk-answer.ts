/** The body of an answer that brings a chunk, decompressed where it comes so. */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { ChunkEncoding } from '../../session/encoding.ts';
import { HEADER } from '../../wire/routes.ts';
import { decodeBody } from '../../transfer/compressed-chunk.ts';
import type { HttpResponse } from '../http/http-message.ts';
import { getChunk } from '../session/chunk-calls.ts';
import type { SessionAccess } from '../session/session-calls.ts';
import type { Compression } from '../transfer/compression.ts';

/** A chunk as it arrives. */
export interface ChunkAnswer {
  readonly body: AsyncIterable<Uint8Array>;
  /** How many bytes brought so many payload bytes over the wire: as many, unless they were compressed. */
  wireBytes(payloadBytes: number): number;
  /** Lets go of it unread. */
  discard(): Promise<void>;
}

/** What was asked for, and what belongs into the answer. */
interface WantedAnswer {
  readonly chunk: number;
  /** The encoding that the server may use. */
  readonly asked: ChunkEncoding | undefined;
  /** Payload from the offset on, and digest. */
  readonly wantedBytes: number;
}

/**
 * Asks for a chunk from an offset on. An answer that is refused is let go of.
 *
 * @throws CairnError `invalid-request` for an encoding that was not asked for, `chunk-out-of-range` for other lengths,
 * what the request throws
 */
export async function askForChunk(
  compression: Compression,
  at: SessionAccess,
  { chunk, offset, wantedBytes }: Omit<WantedAnswer, 'asked'> & { readonly offset: number },
): Promise<ChunkAnswer> {
  const asked = compression.encodingFor(at.terms.encodings);
  const response = await getChunk(at, chunk, offset, asked);
  try {
    return openAnswer(response, { chunk, asked, wantedBytes });
  } catch (error) {
    await response.discard().catch(() => undefined); // the failure at hand matters more
    throw error;
  }
}

/** Reads what an answer says of its encoding and length. */
function openAnswer(response: HttpResponse, wanted: WantedAnswer): ChunkAnswer {
  const { chunk, asked, wantedBytes } = wanted;
  const discard = (): Promise<void> => response.discard();
  const name = response.header('content-encoding');
  const length = response.header('content-length');
  if (name === undefined) {
    // A proxy may have taken the length away; what arrives is counted all the same.
    if (length !== undefined && length !== String(wantedBytes)) throw outOfRange(chunk, length, wantedBytes);
    return { body: response.body, wireBytes: (payloadBytes) => payloadBytes, discard };
  }
  if (name !== asked) {
    const message = `the server sends chunk ${chunk} as ${printable(name.slice(0, 64))}, which this client did not ask for`;
    throw new CairnError('invalid-request', message, { details: { chunk } });
  }
  const decoded = response.header(HEADER.decodedLength);
  if (decoded !== String(wantedBytes)) throw outOfRange(chunk, decoded, wantedBytes);
  const isShorter = length === undefined || (/^\d{1,10}$/.test(length) && Number(length) < wantedBytes);
  if (!isShorter) throw outOfRange(chunk, `${length} compressed`, wantedBytes);
  let wireBytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of response.body) {
      wireBytes += piece.byteLength;
      yield piece;
    }
  }
  return {
    body: decodeBody(counted(), { encoding: asked, chunk }),
    wireBytes: (payloadBytes) => Math.min(payloadBytes, wireBytes),
    discard,
  };
}

function outOfRange(chunk: number, length: string | undefined, wantedBytes: number): CairnError {
  return new CairnError(
    'chunk-out-of-range',
    `the server wants to send ${length ?? 'an unknown number of'} bytes for chunk ${chunk}, which has ${wantedBytes}`,
    { details: { chunk } },
  );
}
