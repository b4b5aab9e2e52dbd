/** `GET sessions/{id}/chunks/{n}`: a chunk of a pull goes out. */
import { CairnError } from '../../base/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { sourceCodeOf } from '../../storage/excluded-entries.ts';
import type { OutgoingChunks } from '../sessions/outgoing-chunks.ts';
import { offsetOf } from './receive-chunk.ts';
import { end, write } from '../http/reply.ts';
import type { ServerContext } from '../server-context.ts';
import { withSession } from './session-request.ts';

/** Small pieces, as of a packed chunk, are sent so many bytes at a time: a write each would cost more than the files. */
const GATHER_BYTES = 256 * 1024;

/** Sends the bytes of a chunk from the wanted offset on, then its digest. */
export function handleGetChunk(
  context: ServerContext,
  exchange: Exchange,
  id: string,
  chunk: number,
): Promise<void> {
  const call = { id, event: 'transfer', direction: 'pull', chunk } as const;
  return withSession(context, exchange, call, async ({ live, epoch }) => {
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
    const bodyBytes = lengthBytes - offset + chunks.digests.digestLengthBytes;
    await send(context, exchange, chunks, { chunk, offset, bodyBytes });
    context.log.debug({ session: id, chunk, offset, lengthBytes }, 'chunk sent');
  });
}

/** Says which entries are no longer what was scanned, while there is still an answer to say it in. */
async function refuseFailures(chunks: OutgoingChunks, chunk: number): Promise<void> {
  const failures = await chunks.findFailures(chunk);
  if (failures === undefined) return;
  chunks.report(failures.entries);
  throw chunks.failureOf(failures.code, failures.entries);
}

async function send(
  { metrics }: ServerContext,
  exchange: Exchange,
  chunks: OutgoingChunks,
  { chunk, offset, bodyBytes }: { chunk: number; offset: number; bodyBytes: number },
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
    // Before the first byte there is still an answer to say it in.
    if (!response.headersSent && sourceCodeOf(error) !== undefined) await refuseFailures(chunks, chunk);
    throw error;
  } finally {
    // The digest at the end is no payload.
    metrics.sent(Math.min(sentBytes, bodyBytes - chunks.digests.digestLengthBytes));
  }
  await end(exchange);
}

/** Joins small pieces; what it yields may be reused after the next one was asked for. */
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
