/** `PUT` and `HEAD sessions/{id}/chunks/{n}`: a chunk of a push comes in, in one request or several. */
import { HEADER } from '../../../wire/routes.ts';
import { decodeBody } from '../../../transfer/compressed-chunk.ts';
import { bytesThere, type Receive } from '../../core/sessions/receiving.ts';
import { contentLengthOf, openBody, type Exchange } from '../../http/exchange.ts';
import type { ChunkHandler } from '../../http/handler.ts';
import { sendEmpty, sendJson } from '../../http/reply.ts';
import { encodingOf, type EncodedRequest } from './content-encoding.ts';
import { offsetOf } from './chunk-offset.ts';
import type { WithSession } from './session-request.ts';

/** Makes what takes the bytes of a chunk. Everything that can be refused is refused before the body is asked for. */
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

/** Makes what tells how many bytes of a chunk are there, whole or held. */
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
 * How many bytes the body has, as its sender says beside the `Content-Length`: a proxy may have taken that away (chunked
 * coding), and then only what was announced counts, and what arrives.
 */
function announcedBytes({ request }: Exchange): number | undefined {
  const text = request.headers[HEADER.decodedLength];
  return typeof text === 'string' && /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
}

/** The body as it was before it was encoded. */
function bodyOf(
  exchange: Exchange,
  chunk: number,
  encoded: EncodedRequest | undefined,
): AsyncIterable<Uint8Array> {
  const body = openBody(exchange);
  return encoded === undefined ? body : decodeBody(body, { encoding: encoded.encoding, chunk });
}
