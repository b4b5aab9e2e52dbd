/** What is used of the quotas of access tokens, read beside servers that may be running. */
import { authorizationOf, type KeptToken } from '../../../server/access/kept-token.ts';
import { openUsage, usedOf, type Used } from '../../../server/core/quota/quota.ts';
import { tallied } from '../../../server/core/quota/tallied-store.ts';
import { openUsageLedger } from '../../../server/core/quota/usage-ledger.ts';
import type { TokenPlace } from './token-place.ts';

/** Says what is used of a token. @throws CairnError `config-invalid`, storage codes */
export async function readUse({
  tokens,
  sessions,
}: Pick<TokenPlace, 'tokens' | 'sessions'>): Promise<(token: KeptToken) => Used> {
  const ledger = await openUsageLedger(tokens.state);
  const records = await sessions();
  if (records === undefined) {
    return (token) => {
      const publishedBytes = ledger.publishedBytes(authorizationOf(token).id);
      return { sessions: 0, comingBytes: 0, manifestBytes: 0, publishedBytes };
    };
  }
  const { tally } = tallied(records, Date.now);
  await openUsage({ tally, ledger });
  return (token) => usedOf({ tally, ledger }, authorizationOf(token).id);
}
