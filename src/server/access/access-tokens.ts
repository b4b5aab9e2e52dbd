/**
 * Access tokens: who may use a server. Only hashes of their secrets are kept. Commands and other servers change them while
 * this one runs; it takes that over as soon as the state tells: within half a second in files, within two over objects.
 */
import { hashSecret } from '../../session/credential.ts';
import type { Logger } from '../../base/logger.ts';
import type { Authenticator } from './authenticator.ts';
import { openTokens, type CreatedToken, type TokenStore } from './first-token.ts';
import type { KeptToken } from './kept-token.ts';
import { createTokenRing } from './token-ring.ts';

/** Access tokens that are kept in a state. */
export interface OpenedAccessTokens extends Authenticator {
  /** The token that was made now, on the first start; without its secret, which is in its file. */
  readonly created?: CreatedToken;
  /** Stops looking for changes. */
  close(): void;
}

/** What `issueSecret` makes. Anything else, a JWT for instance, is no reason to look for a new token. */
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/**
 * Opens the access tokens of a server and makes the first one where there are none.
 *
 * @throws CairnError `config-invalid` for tokens that cannot be understood; storage codes
 */
export async function openAccessTokens(
  store: TokenStore,
  { log }: { log?: Pick<Logger, 'info' | 'error'> } = {},
): Promise<OpenedAccessTokens> {
  const known = createTokenRing();
  let hasComplained = false;
  const takeOver = (tokens: readonly KeptToken[]): void => {
    if (known.replace(tokens)) log?.info({ tokens: tokens.length }, 'access tokens have changed');
    hasComplained = false;
  };
  // A damaged document must not lock everybody out; it is said once, until it is right again.
  const complain = (error: unknown): void => {
    if (!hasComplained)
      log?.error({ err: error }, 'the access tokens cannot be read; those known before stay valid');
    hasComplained = true;
  };
  const { document, created } = await openTokens(store, takeOver);
  known.replace(document.value ?? []);
  const stop = new AbortController();
  document.follow({ signal: stop.signal, onError: complain });
  const look = (): Promise<void> => document.look().catch(complain);
  return {
    ...(created === undefined ? {} : { created }),
    close: () => stop.abort(),
    authenticate: async ({ bearer }) => {
      if (bearer === undefined) return undefined;
      const hash = hashSecret(bearer);
      const found = known.find(hash);
      if (found !== undefined || !SECRET.test(bearer)) return found;
      // It may be of a token that was made a moment ago.
      await look();
      return known.find(hash);
    },
    stands: ({ id }) => (id.startsWith('token:') ? known.has(id) : undefined),
    look,
  };
}
