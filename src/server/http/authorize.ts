/** Who asks: access tokens and session credentials out of request headers. */
import { CairnError } from '../../base/errors.ts';
import { HEADER } from '../../protocol/routes.ts';
import type { Exchange } from './exchange.ts';
import type { ServerContext } from '../server-context.ts';

/** What a request of a session proves itself with. */
export interface SessionProof {
  readonly epoch: number;
  readonly credential: string;
  /** The owner of the access token, where the request carries one too. */
  readonly principal: string | undefined;
}

const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * The principal of a request that needs an access token.
 *
 * @throws CairnError `unauthenticated`
 */
export function requireToken(context: ServerContext, { request }: Exchange): string {
  const header = request.headers.authorization;
  if (header === undefined) {
    throw new CairnError('unauthenticated', 'this needs an access token: set CAIRN_TOKEN or --token-file');
  }
  const secret = BEARER.exec(header)?.[1];
  const owner = secret === undefined ? undefined : context.tokens.authenticate(secret);
  if (owner === undefined) {
    throw new CairnError(
      'unauthenticated',
      'the access token is not valid here; CAIRN_TOKEN or --token-file names it',
    );
  }
  return owner.principal;
}

/**
 * The credential and epoch of a request that belongs to a session; an access token beside them has to be valid.
 *
 * @throws CairnError `unauthenticated`, `invalid-request`
 */
export function sessionProofOf(context: ServerContext, exchange: Exchange): SessionProof {
  const { headers } = exchange.request;
  const principal = headers.authorization === undefined ? undefined : requireToken(context, exchange);
  const credential = headers[HEADER.credential];
  const epoch = headers[HEADER.epoch];
  if (typeof credential !== 'string' || typeof epoch !== 'string') {
    throw new CairnError('unauthenticated', 'a request of a session needs Cairn-Credential and Cairn-Epoch');
  }
  if (!/^[1-9][0-9]{0,14}$/.test(epoch)) throw new CairnError('invalid-request', 'Cairn-Epoch is no epoch');
  return { epoch: Number(epoch), credential, principal };
}
