/** Who asks and what they may do, whatever they proved it with. */
import type { IncomingMessage } from 'node:http';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { RecordedAuthorization } from '../../session/record.ts';
import type { Scope } from '../../session/scopes.ts';

/**
 * What a request was allowed by. `id` names it for as long as it exists, `token:…`, `jwt:…`, `grant:…` or
 * `certificate:…`, and is no secret. Sessions belong to the `principal`: a new token of the same one goes on with them.
 * `pathPrefix` is a safe relative path that it is confined to, with everything below, and empty for everything.
 * `quota.bytes` is what its pushes may bring, published and unfinished; `quota.sessions` how many may be unfinished.
 */
export type Authorization = RecordedAuthorization;

/** What a request proves itself with. */
export interface Evidence {
  /** What stands behind `Bearer` in its Authorization header. */
  readonly bearer: string | undefined;
  /** Gives the certificate of its connection, where there is one that was checked. */
  readonly request: IncomingMessage;
}

/** One way to authenticate. A server asks its authenticators in order. */
export interface Authenticator {
  /**
   * What the evidence allows; undefined where it is none of this kind.
   *
   * @throws CairnError `token-expired`, `token-revoked`, `unauthenticated` for evidence of this kind that is not valid;
   * `issuer-unavailable` where that cannot be found out now
   */
  authenticate(evidence: Evidence): Promise<Authorization | undefined>;
  /**
   * Whether an authorization that this authenticator gave still stands, apart from its expiry; undefined for one of
   * another kind. Asked about every session at work, every second.
   */
  stands(authorization: Authorization): boolean | undefined;
}

/**
 * What was sent before a token expired may arrive, and end, so long after: it need not be sent again. Nothing is
 * published in that time, and of a token that was revoked nothing at all is taken.
 */
export const EXPIRY_GRACE_MS = 10_000;

/** Refuses what has ended. @throws CairnError `token-expired`, `token-revoked` */
export function checkStands(
  authenticators: readonly Authenticator[],
  authorization: Authorization,
  nowMs: number,
): void {
  const { expiresAtMs = Infinity, id } = authorization;
  const what = id.startsWith('certificate:') ? 'client certificate' : 'access token';
  if (nowMs >= expiresAtMs) throw new CairnError('token-expired', `the ${what} has expired`);
  for (const authenticator of authenticators) {
    const stands = authenticator.stands(authorization);
    if (stands === true) return;
    if (stands === false) break;
  }
  throw new CairnError('token-revoked', `the ${what} has been revoked`);
}

/**
 * Refuses what an authorization does not allow, before anything tells what is there.
 *
 * @param path safe relative path that it is about; undefined where it is about none
 * @throws CairnError `forbidden`
 */
export function checkAllows(
  { scopes, pathPrefix }: Authorization,
  scope: Scope,
  path: string | undefined,
): void {
  if (!scopes.includes(scope)) {
    const has = scopes.length === 0 ? 'none' : scopes.join(', ');
    throw new CairnError('forbidden', `this needs the scope "${scope}"; the access token has: ${has}`);
  }
  if (path === undefined || isWithin(path, pathPrefix)) return;
  const where = printable(pathPrefix);
  throw new CairnError('forbidden', `the access token is only for "/${where}" and what is below`);
}

/** Whether a safe relative path is another one or lies below it. */
export function isWithin(path: string, prefix: string): boolean {
  return prefix === '' || path === prefix || path.startsWith(`${prefix}/`);
}
