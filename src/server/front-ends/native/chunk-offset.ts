/** Reads where in its chunk a request begins. */
import { CairnError } from '../../../base/errors.ts';
import { HEADER } from '../../../wire/routes.ts';
import type { Exchange } from '../../http/exchange.ts';

/** The offset that a request names, in bytes; 0 where it names none. @throws CairnError `invalid-request` */
export function offsetOf({ request }: Exchange): number {
  const text = request.headers[HEADER.offset];
  if (text === undefined) return 0;
  if (typeof text === 'string' && /^(0|[1-9][0-9]{0,9})$/.test(text)) return Number(text);
  throw new CairnError('invalid-request', 'Cairn-Offset is no count of bytes');
}
