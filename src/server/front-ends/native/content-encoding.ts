/** What the headers of a request for a chunk say of encodings. */
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { ChunkEncoding } from '../../../session/encoding.ts';
import { HEADER } from '../../../wire/routes.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { OWN_ENCODINGS } from '../../../transfer/zlib-pump.ts';
import { contentLengthOf, type Exchange } from '../../http/exchange.ts';

/** The body of a chunk that comes in an encoding. */
export interface EncodedRequest {
  readonly encoding: ChunkEncoding;
  /** What it decodes to, as its sender says. */
  readonly decodedBytes: number;
}

type Agreement = Pick<SessionRecord, 'encodings'>;

/**
 * The encoding that a chunk comes in; undefined where it comes as it is.
 *
 * @throws CairnError `invalid-request` for an encoding that was not agreed, and for lengths that cannot be;
 * `session-suspended` where another process than this had agreed
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
    // A new epoch agrees anew, with whoever is here now.
    throw new CairnError('session-suspended', `this server cannot decode ${encoding}; resume the session`);
  }
  const bodyBytes = contentLengthOf(exchange);
  const text = headers[HEADER.decodedLength];
  const isCount = typeof text === 'string' && /^[1-9][0-9]{0,9}$/.test(text);
  // Nobody has a reason to send what did not shrink.
  if (!isCount || (bodyBytes !== undefined && bodyBytes >= Number(text))) {
    throw new CairnError(
      'invalid-request',
      'an encoded chunk needs a Cairn-Decoded-Length that is more than its Content-Length',
    );
  }
  return { encoding, decodedBytes: Number(text) };
}

/** The first encoding that the client asks for, that the session has agreed on, and that this runtime has. */
export function wantedEncoding({ request }: Exchange, agreement: Agreement): ChunkEncoding | undefined {
  const { encodings = [] } = agreement;
  const wanted = (request.headers['accept-encoding'] ?? '').split(',');
  for (const name of wanted) {
    const found = encodings.find((agreed) => agreed === name.trim());
    if (found !== undefined && OWN_ENCODINGS.includes(found)) return found;
  }
  return undefined;
}
