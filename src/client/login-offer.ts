/** Asks a server where its access tokens come from. */
import type { ReachOptions } from './api/reach.ts';
import type { LoginOffer } from '../wire/messages.ts';
import { openConnection } from './http/connection.ts';
import { greet } from './http/discovery.ts';

/**
 * What the server of a URL says of where to log in; undefined where it says nothing. It proves nothing of itself, so
 * all of it has to be shown to the user before the issuer is asked.
 *
 * @throws CairnError what discovery throws, network codes, the signal's reason
 */
export async function askForLogin({
  url,
  signal,
  tls,
  proxy,
}: Pick<ReachOptions, 'url' | 'signal' | 'tls' | 'proxy'>): Promise<LoginOffer | undefined> {
  const connection = await openConnection(url, { connections: 1, tls, proxy });
  try {
    return (await greet(connection, url, signal)).hello.login;
  } finally {
    await connection.close();
  }
}
