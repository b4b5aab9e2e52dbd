/** Reads the encodings from the headers of a request for a chunk. */
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { ChunkEncoding } from '../../../session/encoding.ts';
import { HEADER } from '../../../wire/routes.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { OWN_ENCODINGS } from '../../../transfer/zlib-pump.ts';
import { contentLengthOf, type Exchange } from '../../http/exchange.ts';

/** The encoded body of a chunk. */
export interface EncodedRequest {
  readonly encoding: ChunkEncoding;
  /** Length after decoding, as the sender says. */
  readonly decodedBytes: number;
}

type Agreement = Pick<SessionRecord, 'encodings'>;

/**
 * The encoding of a chunk's body; undefined where it has none.
 *
 * @throws CairnError `invalid-request` for an encoding that was not agreed on, and for impossible lengths;
 * `session-suspended` where another process had agreed on an encoding that this one does not have
 */
export function encodingOf(exchange: Exchange, agreement: Agreement): EncodedRequest | undefined {
  const { headers } = exchange.request;
  const name = headers['content-encoding'];
  if (name === undefined) return undefined;
  const encoding = agreement.encodings?.find((agreed) => agreed === name);
  if (encoding === undefined) {
    const message = `a chunk cannot come as ${printable(name.slice(0, 64))}: the session has not agreed on that`;
    throw new CairnError('invalid-request', message);
  }
  if (!OWN_ENCODINGS.includes(encoding)) {
    // In a new epoch the client agrees with this process.
    throw new CairnError('session-suspended', `this server cannot decode ${encoding}; resume the session`);
  }
  const bodyBytes = contentLengthOf(exchange);
  const text = headers[HEADER.decodedLength];
  const isCount = typeof text === 'string' && /^[1-9][0-9]{0,9}$/.test(text);
  // A sender has no reason to encode a body that does not shrink.
  if (!isCount || (bodyBytes !== undefined && bodyBytes >= Number(text))) {
    throw new CairnError(
      'invalid-request',
      'an encoded chunk needs a Cairn-Decoded-Length that is more than its Content-Length',
    );
  }
  return { encoding, decodedBytes: Number(text) };
}

/** The first encoding that the client asks for, the session has agreed on, and this runtime has. */
export function wantedEncoding({ request }: Exchange, agreement: Agreement): ChunkEncoding | undefined {
  const { encodings = [] } = agreement;
  const wanted = (request.headers['accept-encoding'] ?? '').split(',');
  for (const name of wanted) {
    const found = encodings.find((agreed) => agreed === name.trim());
    if (found !== undefined && OWN_ENCODINGS.includes(found)) return found;
  }
  return undefined;
}
