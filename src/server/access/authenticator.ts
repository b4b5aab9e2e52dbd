/** Ways to authenticate, and whether what they allowed still stands. */
import type { TLSSocket } from 'node:tls';
import { CairnError } from '../../base/errors.ts';
import type { Authorization } from '../../session/authorization.ts';

/** What a request proves itself with. */
export interface Evidence {
  /** What stands behind `Bearer` in its Authorization header. */
  readonly bearer: string | undefined;
  /** Its connection, which may show a client certificate; undefined where the request shows another proof. */
  readonly connection?: TLSSocket | undefined;
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
  /** Learns what other processes have changed a moment ago, where they can; what cannot be read is no error here. */
  look?(): Promise<void>;
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
