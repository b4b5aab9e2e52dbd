/** Authenticates and authorizes requests: reads access tokens and session credentials from request headers. */
import { TLSSocket } from 'node:tls';
import { CairnError } from '../../base/errors.ts';
import { checkAllows, type Authorization } from '../../session/authorization.ts';
import type { Scope } from '../../session/scopes.ts';
import { HEADER } from '../../wire/routes.ts';
import { checkStands, type Authenticator } from '../access/authenticator.ts';
import type { FailedAuthentications } from '../access/failed-authentications.ts';
import type { SessionProof } from '../core/sessions/admission.ts';
import type { Answering } from './answering.ts';
import type { Exchange } from './exchange.ts';

const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** Authenticates and authorizes the requests of one server. */
export interface Access {
  /**
   * Authenticates the client of a request and checks no scope.
   *
   * @throws CairnError `unauthenticated`, `rate-limited`, `token-expired`, `token-revoked`, `issuer-unavailable`
   */
  authenticate(exchange: Exchange): Promise<Authorization>;
  /**
   * {@link authenticate} for a request outside of sessions whose answer may take long: the server cuts the answer off
   * when the authorization ends.
   */
  authenticateAnswer(exchange: Exchange): Promise<Authorization>;
  /**
   * Authenticates a request outside of sessions and checks that its token or certificate allows a scope at a path.
   *
   * @param path safe relative path that the request is about; undefined where it is about none
   * @throws CairnError like {@link authenticate}, and `forbidden`
   */
  authorize(exchange: Exchange, scope: Scope, path: string | undefined): Promise<Authorization>;
}

/** What {@link createAccess} needs. */
export interface AccessOptions {
  /** Tried in this order. */
  readonly authenticators: readonly Authenticator[];
  readonly failedAuthentications: FailedAuthentications;
  readonly answering: Answering;
  /** Milliseconds since 1970 by the wall clock. */
  readonly wallNow: () => number;
}

/** Makes the {@link Access} of one server. */
export function createAccess(options: AccessOptions): Access {
  const authenticateAnswer: Access['authenticateAnswer'] = async (exchange) => {
    const authorization = await authenticate(options, exchange);
    options.answering.note(exchange, authorization);
    return authorization;
  };
  return {
    authenticate: (exchange) => authenticate(options, exchange),
    authenticateAnswer,
    authorize: async (exchange, scope, path) => {
      const authorization = await authenticateAnswer(exchange);
      checkAllows(authorization, scope, path);
      return authorization;
    },
  };
}

async function authenticate(
  { authenticators, failedAuthentications, wallNow }: AccessOptions,
  { request, address }: Exchange,
): Promise<Authorization> {
  const header = request.headers.authorization;
  const bearer = header === undefined ? undefined : BEARER.exec(header)?.[1];
  // A request with an Authorization header does not fall back on its certificate, whether that header is valid or not.
  const connection = header === undefined && request.socket instanceof TLSSocket ? request.socket : undefined;
  try {
    for (const authenticator of authenticators) {
      // oxlint-disable-next-line no-await-in-loop -- the first that knows the evidence decides
      const authorization = await authenticator.authenticate({ bearer, connection });
      if (authorization === undefined) continue;
      checkStands([authenticator], authorization, wallNow());
      return authorization;
    }
    throw unauthenticated(header !== undefined);
  } catch (error) {
    // Guesses are slowed down: not a request that shows nothing, as in discovery, nor a token that was once valid.
    const isGuess = error instanceof CairnError && error.code === 'unauthenticated' && header !== undefined;
    throw (isGuess ? await failedAuthentications.failed(address) : undefined) ?? error;
  }
}

function unauthenticated(hasToken: boolean): CairnError {
  const message = hasToken
    ? 'the access token is not valid here; CAIRN_TOKEN or --token-file names it'
    : 'this needs an access token: set CAIRN_TOKEN or --token-file';
  return new CairnError('unauthenticated', message);
}

/**
 * The credential and epoch of a request that belongs to a session.
 *
 * @throws CairnError `unauthenticated`, `invalid-request`
 */
export function sessionProofOf({ request }: Exchange): SessionProof {
  const credential = request.headers[HEADER.credential];
  const epoch = request.headers[HEADER.epoch];
  if (typeof credential !== 'string' || typeof epoch !== 'string') {
    throw new CairnError('unauthenticated', 'a request of a session needs Cairn-Credential and Cairn-Epoch');
  }
  if (!/^[1-9][0-9]{0,14}$/.test(epoch)) throw new CairnError('invalid-request', 'Cairn-Epoch is no epoch');
  return { epoch: Number(epoch), credential };
}

/** The credential that a request to resume shows; undefined where it shows none. */
export function credentialOf({ request }: Exchange): string | undefined {
  const credential = request.headers[HEADER.credential];
  return typeof credential === 'string' ? credential : undefined;
}
