/** `PUT` and `HEAD sessions/{id}/chunks/{n}`: receives a chunk of a push, in one request or several. */
import { HEADER } from '../../../wire/routes.ts';
import { decodeBody } from '../../../transfer/compressed-chunk.ts';
import { bytesThere, type Receive } from '../../core/sessions/receiving.ts';
import { contentLengthOf, openBody, type Exchange } from '../../http/exchange.ts';
import type { ChunkHandler } from '../../http/handler.ts';
import { sendEmpty, sendJson } from '../../http/reply.ts';
import { encodingOf, type EncodedRequest } from './content-encoding.ts';
import { offsetOf } from './chunk-offset.ts';
import type { WithSession } from './session-request.ts';

/** Makes the handler that receives the bytes of a chunk. Every check comes before it asks for the body. */
export function createPutChunkHandler(withSession: WithSession, receive: Receive): ChunkHandler {
  return (exchange, id, chunk) => {
    const call = { id, event: 'transfer', direction: 'push', chunk, mayBeLate: true } as const;
    return withSession(exchange, call, async (work) => {
      const encoded = encodingOf(exchange, work.live.record.value);
      const offset = offsetOf(exchange);
      const bodyBytes = encoded?.decodedBytes ?? contentLengthOf(exchange) ?? announcedBytes(exchange);
      const open = (): AsyncIterable<Uint8Array> => bodyOf(exchange, chunk, encoded);
      await sendJson(exchange, 200, await receive(work, { chunk, offset, bodyBytes, open }));
    });
  };
}

/** Makes the handler that answers how many bytes of a whole or partial chunk the server has. */
export function createHeadChunkHandler(withSession: WithSession): ChunkHandler {
  return (exchange, id, chunk) => {
    const call = { id, event: 'transfer', direction: 'push', chunk } as const;
    return withSession(exchange, call, async ({ live }) => {
      const chunks = await live.content.incoming.get();
      await sendEmpty(exchange, 200, { 'Cairn-Offset': String(bytesThere(chunks, chunk)) });
    });
  };
}

/**
 * The length of the body in `Cairn-Decoded-Length`, for a request whose `Content-Length` a proxy has replaced by
 * chunked coding.
 */
function announcedBytes({ request }: Exchange): number | undefined {
  const text = request.headers[HEADER.decodedLength];
  return typeof text === 'string' && /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
}

/** The decoded body. */
function bodyOf(
  exchange: Exchange,
  chunk: number,
  encoded: EncodedRequest | undefined,
): AsyncIterable<Uint8Array> {
  const body = openBody(exchange);
  return encoded === undefined ? body : decodeBody(body, { encoding: encoded.encoding, chunk });
}
