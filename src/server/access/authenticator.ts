/** The interface of the ways to authenticate, and the check whether an authorization is still valid. */
import type { TLSSocket } from 'node:tls';
import { CairnError } from '../../base/errors.ts';
import type { Authorization } from '../../session/authorization.ts';

/** The proofs that a request shows. */
export interface Evidence {
  /** The text after `Bearer` in its Authorization header. */
  readonly bearer: string | undefined;
  /** Its connection, which may show a client certificate; undefined where the request shows another proof. */
  readonly connection?: TLSSocket | undefined;
}

/** One way to authenticate. A server asks its authenticators in order. */
export interface Authenticator {
  /**
   * The authorization for the evidence; undefined where it is not of this kind.
   *
   * @throws CairnError `token-expired`, `token-revoked`, `unauthenticated` for invalid evidence of this kind;
   * `issuer-unavailable` where the issuer cannot be asked now
   */
  authenticate(evidence: Evidence): Promise<Authorization | undefined>;
  /**
   * Whether an authorization of this authenticator is still valid, apart from its expiry; undefined for one of another
   * kind. Called for every session at work, every second.
   */
  stands(authorization: Authorization): boolean | undefined;
  /** Reads changes that other processes made a moment ago, if it can; a failure is no error here. */
  look?(): Promise<void>;
}

/**
 * How long after the expiry of a token requests from before it may arrive and end, so that their bytes need not come
 * again. Nothing is published in that time, and a revoked token has no such time.
 */
export const EXPIRY_GRACE_MS = 10_000;

/** Refuses an authorization that has ended. @throws CairnError `token-expired`, `token-revoked` */
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
