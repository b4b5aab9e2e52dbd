/**
 * Access tokens of an OpenID Connect issuer: JWTs (RFC 9068), checked with the keys that the issuer publishes. The
 * server keeps nothing of them, and asks no issuer per request.
 */
import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyOptions,
  type ProtectedHeaderParameters,
} from 'jose';
import { CairnError } from '../../base/errors.ts';
import type { IssuerFetch } from '../../base/issuer-fetch.ts';
import { parseIssuerUrl } from '../../base/issuer-url.ts';
import { printable } from '../../base/safe-path.ts';
import type { Logger } from '../../base/logger.ts';
import type { Authorization } from '../../session/authorization.ts';
import type { Authenticator } from './authenticator.ts';
import { authorizationOf } from './oidc-claims.ts';
import { DEFAULT_OIDC_CONFIG, type OidcConfig } from './oidc-config.ts';
import { createIssuerKeys, type IssuerKeys } from './oidc-keys.ts';

/** The accepted access tokens. */
export interface OidcOptions {
  /** The issuer's URL, exactly as its tokens name it. */
  readonly issuer: string;
  readonly audience: string;
  readonly config?: OidcConfig;
  readonly log: Logger;
  /** The function that asks the issuer; without, a plain request. */
  readonly fetch?: IssuerFetch | undefined;
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number;
}

/** Longer than any HTTP header here. */
const MAX_TOKEN_LENGTH = 16 * 1024;
const ACCESS_TOKEN_TYPES = new Set(['at+jwt', 'application/at+jwt']);
/** The type of a transfer grant, which this server signed itself. */
const GRANT_TYPE = 'cairn-grant+jwt';

/**
 * Makes the authenticator, and begins to fetch the issuer's keys: the issuer may be away, and is asked again when
 * needed.
 *
 * @throws CairnError `config-invalid` for an issuer that is neither https nor on this machine
 */
export function createOidc(options: OidcOptions): Authenticator {
  const { issuer: name, audience, config = DEFAULT_OIDC_CONFIG, log, now = Date.now } = options;
  const issuer = parseIssuerUrl(name, '--oidc-issuer', 'config-invalid');
  const keys = createIssuerKeys({ issuer, name, log, fetch: options.fetch });
  void keys.load();
  return {
    authenticate: async ({ bearer }): Promise<Authorization | undefined> => {
      const header = bearer === undefined ? undefined : headerOf(bearer, name);
      if (bearer === undefined || header === undefined) return undefined;
      checkType(header, config);
      const claims = await verify(bearer, keys, {
        issuer: name,
        audience,
        algorithms: config.algorithms,
        requiredClaims: ['exp'],
        clockTolerance: config.clockToleranceSeconds,
        currentDate: new Date(now()),
      });
      return authorizationOf(issuer, claims, config);
    },
    stands: ({ id }) => (id.startsWith('jwt:') ? true : undefined),
  };
}

/** The header of a JWT that names the issuer; undefined for anything else, which another authenticator may know. */
function headerOf(bearer: string, issuer: string): ProtectedHeaderParameters | undefined {
  if (bearer.split('.', 4).length !== 3) return undefined;
  if (bearer.length > MAX_TOKEN_LENGTH) throw refused('it is too long');
  try {
    const header = decodeProtectedHeader(bearer);
    return header.typ !== GRANT_TYPE && decodeJwt(bearer).iss === issuer ? header : undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** An ID token, or another token for the same audience, is no access token (RFC 9068, section 4). */
function checkType({ typ }: ProtectedHeaderParameters, { anyType }: OidcConfig): void {
  const type = typeof typ === 'string' ? typ.toLowerCase() : undefined;
  if (type !== undefined && ACCESS_TOKEN_TYPES.has(type)) return;
  if (anyType && (type === undefined || type === 'jwt')) return;
  const shown = type === undefined ? 'it has none' : `it has "${printable(type.slice(0, 50))}"`;
  throw refused(`its type has to be at+jwt, and ${shown}`);
}

async function verify(token: string, keys: IssuerKeys, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys.find, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw reasonOf(error);
    return verifyWithEach(token, error, options);
  }
}

/** Tries each key, for an issuer whose tokens do not name theirs. */
async function verifyWithEach(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  for await (const key of candidates) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw reasonOf(error);
    }
  }
  throw refused('its signature is not the issuer’s');
}

/** Turns jose's errors into the server's own, since jose's carry the claims. */
function reasonOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired)
    return new CairnError('token-expired', 'the access token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) return refused(reasonOfClaim(error));
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refused('its signature has an algorithm that this server does not accept');
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return refused('its signature is not the issuer’s');
  if (error instanceof errors.JWKSNoMatchingKey) {
    return refused('it is signed with a key that the issuer does not have');
  }
  return error instanceof errors.JOSEError ? refused(`it cannot be understood (${error.code})`) : error;
}

function reasonOfClaim({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `it has no claim "${claim}"`;
  if (reason === 'invalid') return `its claim "${claim}" is not a number`;
  const reasons: Readonly<Record<string, string>> = {
    aud: 'it is for another audience than this server',
    iss: 'it is from another issuer',
    nbf: 'it is not valid yet; compare the clocks of the issuer and of this server',
  };
  return reasons[claim] ?? `its claim "${claim}" has a wrong value`;
}

function refused(why: string): CairnError {
  return new CairnError('unauthenticated', `the access token is refused: ${why}`);
}
