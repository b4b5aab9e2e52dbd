/** `cairn logout`. */
import { CairnError, EXIT, type ExitCode } from '../../../base/errors.ts';
import type { IssuerFetch } from '../../../base/issuer-fetch.ts';
import { printable } from '../../../base/safe-path.ts';
import { clientTls, issuerFetchIn } from '../../access/client-tls.ts';
import { watchSignals } from '../../process/interruption.ts';
import { lockLogin, loginFileOf, readLogin, removeLogin, type Login } from '../../access/credentials.ts';
import { print } from '../../process/output.ts';
import { doneLine } from '../../report/json-line.ts';
import type { LogoutValues } from './login-commands.ts';
import { parseServerUrl } from '../../options/server-url.ts';

/** What became of a login. */
type Outcome = 'none' | 'revoked' | 'forgotten';

/** How an issuer is asked. */
interface Way {
  readonly signal: AbortSignal;
  readonly fetch: IssuerFetch;
}

/** Ends the login for a server. Its file is removed, also where the issuer refuses. */
export async function runLogout(word: string, { json, tlsCa }: LogoutValues): Promise<ExitCode> {
  const { origin } = parseServerUrl(word);
  const { tls } = clientTls({ tlsCa }, process.env);
  const fetch = issuerFetchIn(process.env, tls);
  const path = loginFileOf(process.env, origin);
  const interruption = watchSignals(() => undefined);
  try {
    const outcome = await endLogin(path, origin, { signal: interruption.signal, fetch });
    if (json) print(doneLine({ origin, outcome }));
  } finally {
    interruption.dispose();
  }
  return EXIT.done;
}

async function endLogin(path: string, origin: string, way: Way): Promise<Outcome> {
  if ((await readUsable(path, origin)) === 'none') {
    say(`there is no login for ${origin}`);
    return 'none';
  }
  const lock = await lockLogin(path, way.signal);
  try {
    const login = await readUsable(path, origin);
    const isRevoked = typeof login === 'object' && (await revoke(login, way));
    await removeLogin(path);
    say(isRevoked ? `logged out of ${origin}` : `removed the login for ${origin}`);
    if (typeof login === 'object') tellRest(login);
    return isRevoked ? 'revoked' : 'forgotten';
  } finally {
    await lock.release();
  }
}

/** A file that is no login is thrown away as well. */
async function readUsable(path: string, origin: string): Promise<Login | 'none' | 'damaged'> {
  try {
    return (await readLogin(path, origin)) ?? 'none';
  } catch (error) {
    if (error instanceof CairnError && error.code === 'token-unreadable') return 'damaged';
    throw error;
  }
}

/** Whether the issuer has ended the tokens; where it has not, that is said: they may be good for a while. */
async function revoke(login: Login, { signal, fetch }: Way): Promise<boolean> {
  const { issuer, clientId, audience, accessToken, refreshToken } = login;
  const { openIssuer, revokeToken } = await import('../../access/issuer.ts');
  try {
    const opened = await openIssuer({ issuer, clientId, audience, signal, fetch });
    const isRevoked = await revokeToken(opened, refreshToken ?? accessToken);
    if (!isRevoked) say('the issuer has no way to end tokens: they are valid until they expire');
    return isRevoked;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CairnError)) throw error;
    say(`the issuer has not ended the tokens, which may be valid for a while: ${printable(error.message)}`);
    return false;
  }
}

/** A server that checks access tokens by itself does not learn that one was ended. */
function tellRest({ expiresAtMs }: Login): void {
  const until = expiresAtMs === undefined ? 'it expires' : new Date(expiresAtMs).toISOString();
  if (expiresAtMs === undefined || expiresAtMs > Date.now()) {
    say(`a copy of the last access token is valid until ${until}`);
  }
}

function say(line: string): void {
  process.stderr.write(`cairn: ${line}\n`);
}
