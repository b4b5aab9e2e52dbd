/** The body of an answer that brings a chunk, decompressed where it comes so. */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { ChunkEncoding } from '../../session/encoding.ts';
import { HEADER } from '../../wire/routes.ts';
import { decodeBody } from '../../transfer/chunk-encoding.ts';
import type { HttpResponse } from '../http/http-message.ts';

/** A chunk as it arrives. */
export interface ChunkAnswer {
  readonly body: AsyncIterable<Uint8Array>;
  /** How many bytes brought so many payload bytes over the wire: as many, unless they were compressed. */
  wireBytes(payloadBytes: number): number;
}

/** What was asked for, and what belongs into the answer. */
export interface WantedAnswer {
  readonly chunk: number;
  /** The encoding that the server may use. */
  readonly asked: ChunkEncoding | undefined;
  /** Payload from the offset on, and digest. */
  readonly wantedBytes: number;
}

/**
 * Reads what an answer says of its encoding and length.
 *
 * @throws CairnError `invalid-request` for an encoding that nobody asked for, `chunk-out-of-range` for other lengths
 */
export function openAnswer(response: HttpResponse, wanted: WantedAnswer): ChunkAnswer {
  const { chunk, asked, wantedBytes } = wanted;
  const name = response.header('content-encoding');
  const length = response.header('content-length');
  if (name === undefined) {
    // A proxy may have taken the length away; what arrives is counted all the same.
    if (length !== undefined && length !== String(wantedBytes)) throw outOfRange(chunk, length, wantedBytes);
    return { body: response.body, wireBytes: (payloadBytes) => payloadBytes };
  }
  if (name !== asked) {
    const message = `the server sends chunk ${chunk} as ${printable(name.slice(0, 64))}, which nobody asked for`;
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
  };
}

function outOfRange(chunk: number, length: string | undefined, wantedBytes: number): CairnError {
  return new CairnError(
    'chunk-out-of-range',
    `the server wants to send ${length ?? 'an unknown number of'} bytes for chunk ${chunk}, which has ${wantedBytes}`,
    { details: { chunk } },
  );
}
