/**
 * The access tokens of a server; only hashes of their secrets are kept. Commands and other servers may change them
 * while this server runs: it follows within half a second in files, within two over objects.
 */
import { hashSecret } from '../../session/credential.ts';
import type { Logger } from '../../base/logger.ts';
import type { Authenticator } from './authenticator.ts';
import { openTokens, type CreatedToken, type TokenStore } from './first-token.ts';
import type { KeptToken } from './kept-token.ts';
import { createTokenRing } from './token-ring.ts';

/** The access tokens of a state. */
export interface OpenedAccessTokens extends Authenticator {
  /** The token that this first start has made; without its secret, which lies in its file. */
  readonly created?: CreatedToken;
  /** Stops looking for changes. */
  close(): void;
}

/** The form of `issueSecret`. Another form, such as a JWT, is no reason to look for a new token. */
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
  // A damaged document must not lock all clients out; it is reported once, until it is right again.
  const complain = (error: unknown): void => {
    if (!hasComplained)
      log?.error({ err: error }, 'the access tokens cannot be read; the tokens known before stay valid');
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
      // The token may have been made a moment ago.
      await look();
      return known.find(hash);
    },
    stands: ({ id }) => (id.startsWith('token:') ? known.has(id) : undefined),
    look,
  };
}
