/** Transfer grants as clients get them: signed JWTs that say what they allow. */
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose';
import * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { checkRelativePath } from '../../base/safe-path.ts';
import type { Authorization } from '../../session/authorization.ts';

/** The content of a grant. */
export interface GrantTerms {
  readonly id: string;
  readonly direction: 'push' | 'pull';
  /** Safe relative path that it is confined to, with everything below. */
  readonly path: string;
  readonly scopes: Authorization['scopes'];
  /** Whole seconds, as in JWTs. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly maxBytes?: number | undefined;
  /** The authorization that issued it. */
  readonly issuer: NonNullable<Authorization['issuer']>;
}

const ALGORITHM = 'HS256';
const TYPE = 'cairn-grant+jwt';
const ISSUER = 'urn:cairn:grant';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Claims = v.object({
  jti: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{22}$/)),
  sub: v.string(),
  exp: count,
  scope: v.picklist(['write', 'append', 'drop', 'read', 'read list']),
  path: v.string(),
  max_bytes: v.optional(count),
  by: v.object({ id: v.string(), bytes: v.optional(count), sessions: v.optional(count) }),
});

/** The id of a grant's authorization, and of the principal that uses it: sessions of a grant are its own. */
export function grantPrincipal(id: string): string {
  return `grant:${id}`;
}

/** Signs a grant; the same terms give the same grant. */
export function signGrant(terms: GrantTerms, key: Uint8Array): Promise<string> {
  const { id, path, scopes, createdAtMs, expiresAtMs, maxBytes, issuer } = terms;
  const limit = maxBytes === undefined ? {} : { max_bytes: maxBytes };
  return new SignJWT({ scope: scopes.join(' '), path, by: { id: issuer.id, ...issuer.quota }, ...limit })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
    .setIssuer(ISSUER)
    .setJti(id)
    .setSubject(grantPrincipal(id))
    .setIssuedAt(createdAtMs / 1000)
    .setExpirationTime(expiresAtMs / 1000)
    .sign(key);
}

/** Whether a bearer token has the form of a grant, true or not. */
export function looksLikeGrant(bearer: string): boolean {
  if (!bearer.includes('.')) return false;
  try {
    return decodeProtectedHeader(bearer).typ === TYPE;
  } catch {
    return false; // not a JWT
  }
}

/**
 * The authorization of a grant, apart from its revocation.
 *
 * @param key undefined where no grant was ever issued
 * @throws CairnError `token-expired`; `unauthenticated` for one that was changed, or signed with another key
 */
export async function verifyGrant(
  grant: string,
  key: Uint8Array | undefined,
  { nowMs, maxSessions }: { nowMs: number; maxSessions: number },
): Promise<Authorization> {
  if (key === undefined) throw notValid();
  try {
    const { payload } = await jwtVerify(grant, key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      typ: TYPE,
      currentDate: new Date(nowMs),
    });
    return authorizationOf(v.parse(Claims, payload), maxSessions);
  } catch (error) {
    if (error instanceof errors.JWTExpired) {
      const message = 'the transfer grant has expired; ask the person who gave it to you for a new one';
      throw new CairnError('token-expired', message, { cause: error });
    }
    throw notValid(error);
  }
}

function notValid(cause?: unknown): CairnError {
  const message = 'the transfer grant is not valid here: it was changed, or another server has issued it';
  return new CairnError('unauthenticated', message, { cause });
}

function authorizationOf(claims: v.InferOutput<typeof Claims>, sessions: number): Authorization {
  const { jti, exp, scope, path, max_bytes: bytes, by } = claims;
  const { id: issuerId, ...quota } = by;
  return {
    id: grantPrincipal(jti),
    principal: grantPrincipal(jti),
    scopes: scope.split(' ') as Authorization['scopes'],
    pathPrefix: checkRelativePath(path),
    expiresAtMs: exp * 1000,
    quota: { sessions, ...(bytes === undefined ? {} : { bytes }) },
    issuer: { id: issuerId, ...(Object.keys(quota).length === 0 ? {} : { quota }) },
  };
}
