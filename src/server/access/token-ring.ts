/** The access tokens in a server's memory, by the hash of their secret. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import type { Authorization } from '../../session/authorization.ts';
import { authorizationOf, type KeptToken } from './kept-token.ts';

/** Tokens in memory. */
export interface TokenRing {
  /**
   * The authorization for the hash of a secret (SHA-256, 64 hex digits).
   *
   * @throws CairnError `token-revoked` for one that this server has known
   */
  find(hash: string): Authorization | undefined;
  /** Whether a token has an authorization with this id. */
  has(id: string): boolean;
  /** Replaces all tokens; answers whether any came or went. */
  replace(tokens: readonly KeptToken[]): boolean;
}

/** Most revoked tokens in memory, so that their users learn why they are refused. */
const MAX_REVOKED = 10_000;

/**
 * Makes a ring. The duration of a look-up reveals nothing about the hashes: it uses a keyed hash of them with a secret
 * key, and compares in constant time.
 */
export function createTokenRing(): TokenRing {
  const key = randomBytes(32);
  const placeOf = (hash: string): string => createHmac('sha256', key).update(hash).digest('hex');
  const revoked = new Set<string>();
  let places = new Map<string, { readonly hash: Buffer; readonly authorization: Authorization }>();
  let ids: ReadonlySet<string> = new Set();
  return {
    find: (hash) => {
      const place = placeOf(hash);
      if (revoked.has(place)) throw new CairnError('token-revoked', 'the access token has been revoked');
      const found = places.get(place);
      if (found === undefined || !timingSafeEqual(found.hash, Buffer.from(hash, 'hex'))) return undefined;
      return found.authorization;
    },
    has: (id) => ids.has(id),
    replace: (tokens) => {
      const before = places;
      const idsBefore = ids;
      places = new Map(
        tokens.map((token) => [
          placeOf(token.hash),
          { hash: Buffer.from(token.hash, 'hex'), authorization: authorizationOf(token) },
        ]),
      );
      ids = new Set(Array.from(places.values(), ({ authorization }) => authorization.id));
      for (const place of before.keys()) if (!places.has(place)) revoked.add(place);
      for (const place of places.keys()) revoked.delete(place);
      forgetOldest(revoked);
      return ids.size !== idsBefore.size || [...ids].some((id) => !idsBefore.has(id));
    },
  };
}

function forgetOldest(revoked: Set<string>): void {
  for (const place of revoked) {
    if (revoked.size <= MAX_REVOKED) return;
    revoked.delete(place);
  }
}
