/** Reads JSON messages from request bodies, within limits. */
import type * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { parseJsonMessage } from '../../wire/parse-message.ts';
import { requireJsonType } from './cross-site.ts';
import { contentLengthOf, openBody, type Exchange } from './exchange.ts';

/**
 * Reads and checks a message. An empty body stands for an empty object.
 *
 * @throws CairnError `invalid-request` for one that is too long or invalid; `media-type-refused`; `network`, `timeout`
 */
export async function readJson<Schema extends v.GenericSchema>(
  exchange: Exchange,
  schema: Schema,
  limit: { maxBytes: number; what: string; name?: 'json' | 'runs' },
): Promise<v.InferOutput<Schema>> {
  requireJsonType(exchange, limit.what);
  const tooLong = (): CairnError =>
    new CairnError('invalid-request', `${limit.what} is longer than ${limit.maxBytes} bytes`, {
      details: { limit: limit.name ?? 'json' },
    });
  if ((contentLengthOf(exchange) ?? 0) > limit.maxBytes) throw tooLong();
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of openBody(exchange)) {
    bytes += piece.byteLength;
    if (bytes > limit.maxBytes) throw tooLong();
    pieces.push(piece);
  }
  const text = decode(Buffer.concat(pieces), limit.what);
  return parseJsonMessage(schema, text === '' ? '{}' : text, limit.what);
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CairnError('invalid-request', `${what} is not UTF-8`, { cause: error });
  }
}
