/** Where a client's access token comes from: `--token-file`, `CAIRN_TOKEN`, a login, or a server of the same user here. */
import { constants, existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Proxy, ClientTls, ReachOptions } from '../../client/api/reach.ts';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { isLoopbackHost } from '../../base/loopback.ts';
import { whyForeign } from '../../base/ownership.ts';
import { printable } from '../../base/safe-path.ts';
import { issuerFetchIn } from './client-tls.ts';
import { mayHaveLogins } from './credentials.ts';
import { loginToken } from './login-token.ts';
import { localServer } from './local-server.ts';
import type { Environment } from './user-directories.ts';
import { shellWord } from '../../base/shell.ts';

/** Where to look for a token. */
export interface TokenSources {
  readonly tokenFile: string | undefined;
  readonly env: Environment;
  readonly stateHome: string;
  readonly url: URL;
  /** What https is spoken with, also to an issuer that renews a login. */
  readonly tls?: ClientTls | undefined;
  /** A certificate stands for the user: no token is looked for that was not named. */
  readonly showsCertificate?: boolean;
  /** The proxy on the way there: for that, this machine is another one. */
  readonly proxy: Proxy | undefined;
  /** Whether a token may go over a line that is not encrypted. */
  readonly insecureHttp?: boolean | undefined;
}

/** A JWT with many claims is long; the headers of a request end at 16 KiB. */
const MAX_TOKEN_BYTES = 15_000;
/** Visible ASCII: anything else could break out of a header. */
const TOKEN = /^[\u0021-\u007e]+$/;

/**
 * The token of a client, and the guard over the sockets on which it is shown, where it is that of a server here. The
 * provider looks again each time, since tokens are rotated and servers restarted while a transfer runs. Undefined means
 * that there is none: the server then says whether it wants one. It throws CairnError `insecure-connection` rather than
 * have a token read on the way.
 */
export function clientAccess(sources: TokenSources): Pick<ReachOptions, 'token' | 'guard'> {
  const access = findToken(sources);
  if (sources.insecureHttp === true || isPrivateLine(sources)) return access;
  const token = async (): Promise<string | undefined> => {
    if ((await access.token()) === undefined) return undefined;
    throw tooOpen(sources.url);
  };
  return { ...access, token };
}

/** Whether no one on a network can read what is sent: because of TLS, or because it stays on this machine. */
function isPrivateLine({ url, proxy }: Pick<TokenSources, 'url' | 'proxy'>): boolean {
  if (url.protocol === 'https:') return true;
  return isLoopbackHost(url.hostname) && (proxy === undefined || isLoopbackHost(proxy.url.hostname));
}

function tooOpen({ origin, host }: URL): CairnError {
  const message =
    `the access token was not sent to ${origin}: the connection is not encrypted, and others on the network could read it; ` +
    `use https://${host}, or give --insecure-http on a network that you trust`;
  return new CairnError('insecure-connection', message);
}

function findToken(sources: TokenSources): Pick<ReachOptions, 'token' | 'guard'> {
  const { tokenFile, env, stateHome, url, proxy, showsCertificate = false } = sources;
  if (tokenFile !== undefined) return { token: () => readTokenFile(tokenFile) };
  const fromEnvironment = env['CAIRN_TOKEN']?.trim();
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return { token: async () => checkToken(fromEnvironment, 'CAIRN_TOKEN') };
  }
  const login = mayHaveLogins(env)
    ? loginToken({ env, origin: url.origin, fetch: issuerFetchIn(env, sources.tls) })
    : async () => undefined;
  const local =
    proxy !== undefined || !isLoopbackHost(url.hostname) ? undefined : localServer(stateHome, url);
  const token = async (): Promise<string | undefined> => {
    if (showsCertificate) return undefined;
    const secret = await login();
    if (secret !== undefined) return secret;
    const server = await local?.find();
    // It goes with the token that it is of: the server then says what it wants.
    if (server === undefined || !existsSync(server.tokenFile)) return undefined;
    return readTokenFile(server.tokenFile);
  };
  return local === undefined ? { token } : { token, guard: local.guard };
}

/**
 * The token in a file of this user's or root's that only its owner can read.
 *
 * @throws CairnError `token-unreadable`, saying what to do
 */
export async function readTokenFile(path: string): Promise<string> {
  const refused = (why: string, cause?: unknown): CairnError => unreadable(path, why, cause);
  return checkToken(await readSecretFile(path, refused), `"${path}"`);
}

/**
 * A secret of one line in a file of this user's or root's that only its owner can read.
 *
 * @param refused makes the error for a file that cannot be used
 */
export async function readSecretFile(
  path: string,
  refused: (why: string, cause?: unknown) => CairnError,
): Promise<string> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw refused(`it cannot be opened (${systemCodeOf(error) ?? String(error)})`, error);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile())
      throw refused('it is not a regular file; use an environment variable for anything else');
    if ((stat.mode & 0o077) !== 0) {
      throw refused(`other users may read it; run: chmod 600 ${shellWord(path)}`);
    }
    const why = whyForeign(stat);
    if (why !== undefined) throw refused(why);
    if (stat.size > MAX_TOKEN_BYTES) throw refused('it is too large to hold one secret');
    return (await handle.readFile('utf8')).trim();
  } finally {
    await handle.close();
  }
}

function checkToken(token: string, where: string): string {
  if (TOKEN.test(token)) return token;
  const what = token === '' ? 'is empty' : 'does not hold a token (one line, no blanks)';
  throw new CairnError('token-unreadable', `${printable(where)} ${what}`);
}

function unreadable(path: string, why: string, cause?: unknown): CairnError {
  return new CairnError(
    'token-unreadable',
    `the token file "${printable(path)}" is not used: ${why}`,
    cause === undefined ? {} : { cause },
  );
}
