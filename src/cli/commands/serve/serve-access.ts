/** Who may use a server: its own tokens, an issuer's, certificates, transfer grants; and what is used of quotas. */
import type { LoginOffer } from '../../../wire/messages.ts';
import { openAccessTokens } from '../../../server/access/access-tokens.ts';
import type { Authenticator } from '../../../server/access/authenticator.ts';
import { openGrants, type Grants } from '../../../server/access/grants.ts';
import { openSessionKey } from '../../../server/access/kept-key.ts';
import { DEFAULT_LIMITS } from '../../../server/server-limits.ts';
import { openUsageLedger, type UsageLedger } from '../../../server/core/quota/usage-ledger.ts';
import type { Logger } from '../../../base/logger.ts';
import { openOidc } from './serve-oidc.ts';
import type { ServePlan } from './serve-plan.ts';

/** What a server is given to decide who may do what. Close it. */
export interface ServeAccess {
  readonly authenticators: readonly Authenticator[];
  /** Where clients get tokens, where that is not here. */
  readonly login: LoginOffer | undefined;
  readonly grants: Grants;
  readonly usage: UsageLedger;
  /** Secret that the ids of sessions are made with. */
  readonly sessionKey: Uint8Array;
  /** Where the secret of the server's own token is. */
  readonly tokenFile: string;
  close(): void;
}

/**
 * Opens what is kept in a state directory, and begins to ask the issuer for its keys.
 *
 * @param certificates speak for who shows no token, so they are asked last
 * @throws CairnError `config-invalid`, storage codes
 */
export async function openAccess(
  { state, oidc, limits }: Pick<ServePlan, 'state' | 'oidc' | 'limits'>,
  certificates: readonly Authenticator[],
  log: Logger,
): Promise<ServeAccess> {
  const issuer = oidc === undefined ? undefined : await openOidc(oidc, log);
  const others = [...(issuer === undefined ? [] : [issuer.authenticator]), ...certificates];
  const tokens = await openAccessTokens(state, { log });
  const grants = await openGrants(state, { ...DEFAULT_LIMITS, ...limits });
  const usage = await openUsageLedger(state);
  const sessionKey = await openSessionKey(state).make();
  return {
    authenticators: [tokens, grants, ...others],
    login: issuer?.login,
    grants,
    usage,
    sessionKey,
    tokenFile: tokens.tokenFile,
    close: () => tokens.close(),
  };
}
