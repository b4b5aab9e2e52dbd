/** Who may use a server: its own tokens, an issuer's, certificates, transfer grants; and what is used of quotas. */
import type { LoginOffer } from '../../../wire/messages.ts';
import { openAccessTokens } from '../../../server/access/access-tokens.ts';
import type { TokenStore } from '../../../server/access/first-token.ts';
import type { Authenticator } from '../../../server/access/authenticator.ts';
import { openGrants, type Grants } from '../../../server/access/grants.ts';
import { openSessionKey } from '../../../server/access/kept-key.ts';
import { DEFAULT_LIMITS } from '../../../server/server-limits.ts';
import { openUsageLedger, type UsageLedger } from '../../../server/core/quota/usage-ledger.ts';
import type { Logger } from '../../../base/logger.ts';
import type { StateStore } from '../../../storage/state/state-store.ts';
import type { Following } from '../../../storage/state/typed-document.ts';
import { openOidc } from './serve-oidc.ts';
import type { ServeSettings } from './serve-settings.ts';

/** What a server is given to decide who may do what. Close it. */
export interface ServeAccess {
  readonly authenticators: readonly Authenticator[];
  /** Where clients get tokens, where that is not here. */
  readonly login: LoginOffer | undefined;
  readonly grants: Grants;
  readonly usage: UsageLedger;
  /** Secret that the ids of sessions are made with. */
  readonly sessionKey: Uint8Array;
  close(): void;
}

/**
 * Opens what is kept in a state, and begins to ask the issuer for its keys. Where several servers share the state it is
 * followed what the others change.
 *
 * @param certificates speak for who shows no token, so they are asked last
 * @throws CairnError `config-invalid`, storage codes
 */
export async function openAccess(
  store: TokenStore,
  { oidc, limits }: Pick<ServeSettings, 'oidc' | 'limits'>,
  certificates: readonly Authenticator[],
  log: Logger,
): Promise<ServeAccess> {
  const { state } = store;
  const issuer = oidc === undefined ? undefined : await openOidc(oidc, log);
  const others = [...(issuer === undefined ? [] : [issuer.authenticator]), ...certificates];
  const stop = new AbortController();
  const tokens = await openAccessTokens(store, { log });
  const follow = followingOf(state, stop.signal, log);
  const grants = await openGrants(state, { ...DEFAULT_LIMITS, ...limits }, follow('transfer grants'));
  const usage = await openUsageLedger(state, follow('numbers of the quotas'));
  const sessionKey = await openSessionKey(state).make();
  return {
    authenticators: [tokens, grants, ...others],
    login: issuer?.login,
    grants,
    usage,
    sessionKey,
    close: () => {
      tokens.close();
      stop.abort();
    },
  };
}

/** How documents are followed that only servers change: not at all by the only one. */
function followingOf(
  state: StateStore,
  signal: AbortSignal,
  log: Logger,
): (what: string) => { readonly following?: Following } {
  if (!state.properties.shared) return () => ({});
  return (what) => {
    const onError = (err: unknown): void =>
      log.error({ err }, `the ${what} cannot be read; those known before stay valid`);
    return { following: { signal, onError } };
  };
}
