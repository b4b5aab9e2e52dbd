/** `GET sessions/{id}/chunks/{n}`: sends a chunk of a pull. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { ByteBudget } from '../../../transfer/byte-budget.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { ChunkHandler } from '../../http/handler.ts';
import type { ChunkEncoding } from '../../../session/encoding.ts';
import { HEADER } from '../../../wire/routes.ts';
import { encodeBody, type EncodedBody } from '../../../transfer/compressed-chunk.ts';
import { sourceCodeOf } from '../../../transfer/excluded-entries.ts';
import type { OutgoingChunks } from '../../core/sessions/outgoing-chunks.ts';
import { wantedEncoding } from './content-encoding.ts';
import { offsetOf } from './chunk-offset.ts';
import { end, write } from '../../http/reply.ts';
import type { WithSession } from './session-request.ts';

/** Size of the writes that small pieces, as of a packed chunk, are joined into: a write each would cost more. */
const GATHER_BYTES = 256 * 1024;

/** What {@link createGetChunkHandler} needs. */
export interface Sending {
  /** Memory for compressed chunks, finished or not. */
  readonly encodingMemory: ByteBudget;
  /** Counts payload bytes that went out. */
  readonly onSent: (bytes: number) => void;
  readonly log: Logger;
}

/** Makes the handler that sends the bytes of a chunk from the wanted offset on, then its digest. */
export function createGetChunkHandler(withSession: WithSession, sending: Sending): ChunkHandler {
  return (exchange, id, chunk) => {
    const call = { id, event: 'transfer', direction: 'pull', chunk, onlyReads: true } as const;
    return withSession(exchange, call, async ({ live, epoch }) => {
      const chunks = await live.content.outgoing.get();
      const lengthBytes = chunks.plan.layout.chunkLengthBytes(chunk);
      const offset = offsetOf(exchange);
      if (offset > lengthBytes) {
        throw new CairnError(
          'invalid-request',
          `chunk ${chunk} has ${lengthBytes} bytes; there is none at ${offset}`,
        );
      }
      await refuseFailures(chunks, chunk);
      live.record.checkEpoch(epoch);
      // A proxy that compresses would remove the length.
      exchange.response.setHeader('Cache-Control', 'no-store, no-transform');
      const bodyBytes = lengthBytes - offset + chunks.digests.digestLengthBytes;
      const part = { chunk, offset, bodyBytes };
      const encoding = wantedEncoding(exchange, live.record.value);
      const isSent =
        encoding !== undefined && (await sendEncoded(sending, exchange, chunks, { ...part, encoding }));
      if (!isSent) await send(sending, exchange, chunks, part);
      sending.log.debug({ session: id, chunk, offset, lengthBytes }, 'chunk sent');
    });
  };
}

/** Refuses a chunk with changed sources by a problem document that names them, while no answer has begun. */
async function refuseFailures(chunks: OutgoingChunks, chunk: number): Promise<void> {
  const failures = await chunks.findFailures(chunk);
  if (failures === undefined) return;
  chunks.exclude(failures.entries);
  throw chunks.failureOf(failures.code, failures.entries);
}

/** The wanted part of a chunk. */
interface Part {
  readonly chunk: number;
  readonly offset: number;
  /** Bytes of the part and the digest. */
  readonly bodyBytes: number;
}

/** Sends a part compressed. False, with nothing sent, where it does not shrink or the memory is used up. */
async function sendEncoded(
  { encodingMemory, onSent }: Sending,
  exchange: Exchange,
  chunks: OutgoingChunks,
  { chunk, offset, bodyBytes, encoding }: Part & { readonly encoding: ChunkEncoding },
): Promise<boolean> {
  const share = encodingMemory.tryTake(bodyBytes);
  if (share === undefined) return false;
  try {
    const body = await encode(chunks, chunk, { offset, encoding, decodedBytes: bodyBytes });
    if (body === undefined) return false;
    share.shrink(body.lengthBytes);
    exchange.response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Encoding': encoding,
      'Content-Length': body.lengthBytes,
      [HEADER.decodedLength]: String(bodyBytes),
    });
    let sentBytes = 0;
    try {
      for (const piece of body.pieces) {
        await write(exchange, piece);
        sentBytes += piece.byteLength;
      }
    } finally {
      const payloadBytes = bodyBytes - chunks.digests.digestLengthBytes;
      onSent(Math.floor((payloadBytes * sentBytes) / body.lengthBytes));
    }
    await end(exchange);
    return true;
  } finally {
    share.release();
  }
}

/** Compresses a part; undefined where it does not shrink. Throws a failure that names the sources that changed. */
async function encode(
  chunks: OutgoingChunks,
  chunk: number,
  { offset, ...how }: { offset: number; encoding: ChunkEncoding; decodedBytes: number },
): Promise<EncodedBody | undefined> {
  const onDigest = (digest: Uint8Array): void => chunks.sent(chunk, digest);
  try {
    return await encodeBody(chunks.read(chunk, { offset, onDigest }), how);
  } catch (error) {
    if (sourceCodeOf(error) !== undefined) await refuseFailures(chunks, chunk);
    throw error;
  }
}

async function send(
  { onSent }: Sending,
  exchange: Exchange,
  chunks: OutgoingChunks,
  { chunk, offset, bodyBytes }: Part,
): Promise<void> {
  const { response } = exchange;
  const onDigest = (digest: Uint8Array): void => chunks.sent(chunk, digest);
  let sentBytes = 0;
  try {
    for await (const bytes of gather(chunks.read(chunk, { offset, onDigest }))) {
      if (!response.headersSent) {
        response.writeHead(200, {
          'Content-Type': 'application/octet-stream',
          'Content-Length': bodyBytes,
        });
      }
      await write(exchange, bytes);
      sentBytes += bytes.byteLength;
    }
  } catch (error) {
    // Before the first byte the answer can still name the sources.
    if (!response.headersSent && sourceCodeOf(error) !== undefined) await refuseFailures(chunks, chunk);
    throw error;
  } finally {
    // The digest at the end is not payload.
    onSent(Math.min(sentBytes, bodyBytes - chunks.digests.digestLengthBytes));
  }
  await end(exchange);
}

/** Joins small pieces; the memory of a yielded piece is valid until the next one is asked for. */
async function* gather(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let joined: Buffer | undefined;
  let bytes = 0;
  for await (const piece of source) {
    const isLarge = piece.byteLength > GATHER_BYTES / 2;
    if (joined !== undefined && bytes > 0 && (isLarge || bytes + piece.byteLength > GATHER_BYTES)) {
      yield joined.subarray(0, bytes);
      bytes = 0;
    }
    if (isLarge) {
      yield piece;
      continue;
    }
    joined ??= Buffer.allocUnsafe(GATHER_BYTES);
    joined.set(piece, bytes);
    bytes += piece.byteLength;
  }
  if (joined !== undefined && bytes > 0) yield joined.subarray(0, bytes);
}
