/** Admits the requests of sessions with the proofs from their headers, and lets sessions end them. */
import type { CairnError } from '../../../base/errors.ts';
import type { Admit, SessionCall, SessionWork } from '../../core/sessions/admission.ts';
import { sessionProofOf, type Access } from '../../http/authorize.ts';
import type { Exchange } from '../../http/exchange.ts';

/**
 * Admits a request to its session and runs `work`. An access token beside the session's credential renews the
 * authorization of the session.
 *
 * @throws CairnError `unauthenticated`; what {@link Admit} throws
 */
export type WithSession = (
  exchange: Exchange,
  call: SessionCall,
  work: (given: SessionWork) => Promise<void>,
) => Promise<void>;

/** Makes the {@link WithSession} of one server. */
export function createWithSession({ authenticate }: Pick<Access, 'authenticate'>, admit: Admit): WithSession {
  return async (exchange, call, work) => {
    const proof = sessionProofOf(exchange);
    const { authorization: header } = exchange.request.headers;
    const asking = header === undefined ? undefined : await authenticate(exchange);
    const { address } = exchange;
    const end = (error: CairnError): void => endExchange(exchange, error);
    await admit({ proof, asking, address, end }, call, work);
  };
}

/** Makes an exchange fail from outside: its body ends for its reader, and an answer that has begun is cut off. */
function endExchange(exchange: Exchange, error: CairnError): void {
  const { body, response } = exchange;
  exchange.failure = error;
  body?.abort(error);
  if (response.headersSent && !response.writableEnded) response.destroy();
}
