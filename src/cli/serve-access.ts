/** Who may use a server, as its state directory says: tokens, transfer grants, and what is used of quotas. */
import { openAccessTokens } from '../server/auth/access-tokens.ts';
import type { Authenticator } from '../server/auth/authorization.ts';
import { openGrants, type Grants } from '../server/auth/grants.ts';
import { openUsageLedger, type UsageLedger } from '../server/quota/usage-ledger.ts';
import type { Logger } from '../server/server-context.ts';

/** What a server is given to decide who may do what. Close it. */
export interface ServeAccess {
  readonly authenticators: readonly Authenticator[];
  readonly grants: Grants;
  readonly usage: UsageLedger;
  /** Where the secret of the server's own token is. */
  readonly tokenFile: string;
  close(): void;
}

/** Opens what is kept in a state directory. @throws CairnError `config-invalid`, storage codes */
export async function openAccess(state: string, log: Logger): Promise<ServeAccess> {
  const tokens = await openAccessTokens(state, { log });
  const grants = await openGrants(state);
  const usage = await openUsageLedger(state);
  const { tokenFile } = tokens;
  return { authenticators: [tokens, grants], grants, usage, tokenFile, close: () => tokens.close() };
}
