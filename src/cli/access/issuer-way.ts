/** How this machine reaches an issuer of tokens: what the options and the environment say of proxies and authorities. */
import type { ClientTls } from '../../client/api/reach.ts';
import type { IssuerFetch } from '../../base/issuer-fetch.ts';
import { issuerFetchOver } from '../../client/http/issuer-fetch.ts';
import { clientTls } from './client-tls.ts';
import type { Environment } from './user-directories.ts';

/**
 * The fetch for issuers.
 *
 * @param tls what the options of a client say; what the environment says, where nothing is given
 */
export function issuerFetchIn(
  environment: Environment,
  tls: ClientTls | undefined = clientTls({ ca: undefined, cert: undefined, key: undefined }, environment).tls,
): IssuerFetch {
  return issuerFetchOver({ environment, tls });
}
