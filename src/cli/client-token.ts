/** Where a client's access token comes from: `--token-file`, `CAIRN_TOKEN`, a login, or a server of the same user here. */
import { constants, existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { CairnError, systemCodeOf } from '../base/errors.ts';
import { whyForeign } from '../base/ownership.ts';
import { printable } from '../base/safe-path.ts';
import { isLoopbackHost } from '../base/loopback.ts';
import type { ClientTls, ReachOptions } from '../client/options.ts';
import { issuerFetchIn } from './issuer-way.ts';
import { mayHaveLogins } from './login/credentials.ts';
import { loginToken } from './login/login-token.ts';
import { localServer } from './local-server.ts';
import type { Environment } from './state-home.ts';
import { shellWord } from '../base/shell.ts';

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
  /** Whether the server is reached through a proxy: for that, this machine is another one. */
  readonly hasProxy: boolean;
}

/** A JWT with many claims is long; the headers of a request end at 16 KiB. */
const MAX_TOKEN_BYTES = 15_000;
/** Visible ASCII: anything else could break out of a header. */
const TOKEN = /^[\u0021-\u007e]+$/;

/**
 * The token of a client, and the guard over the sockets on which it is shown, where it is that of a server here. The
 * provider looks again each time, since tokens are rotated and servers restarted while a transfer runs. Undefined means
 * that there is none: the server then says whether it wants one.
 */
export function clientAccess(sources: TokenSources): Pick<ReachOptions, 'token' | 'guard'> {
  const { tokenFile, env, stateHome, url, hasProxy, showsCertificate = false } = sources;
  if (tokenFile !== undefined) return { token: () => readTokenFile(tokenFile) };
  const fromEnvironment = env['CAIRN_TOKEN']?.trim();
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return { token: async () => checkToken(fromEnvironment, 'CAIRN_TOKEN') };
  }
  const login = mayHaveLogins(env)
    ? loginToken({ env, origin: url.origin, fetch: issuerFetchIn(env, sources.tls) })
    : async () => undefined;
  const local = hasProxy || !isLoopbackHost(url.hostname) ? undefined : localServer(stateHome, url);
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
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unreadable(path, `it cannot be opened (${systemCodeOf(error) ?? String(error)})`, error);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw unreadable(path, 'it is not a regular file; use CAIRN_TOKEN for anything else');
    if ((stat.mode & 0o077) !== 0) {
      throw unreadable(path, `other users may read it; run: chmod 600 ${shellWord(path)}`);
    }
    const why = whyForeign(stat);
    if (why !== undefined) throw unreadable(path, why);
    if (stat.size > MAX_TOKEN_BYTES) throw unreadable(path, 'it is too large to be a token');
    return checkToken((await handle.readFile('utf8')).trim(), `"${path}"`);
  } finally {
    await handle.close();
  }
}

function checkToken(token: string, where: string): string {
  if (TOKEN.test(token)) return token;
  const what = token === '' ? 'is empty' : 'holds something that is no token (one line, no blanks)';
  throw new CairnError('token-unreadable', `${printable(where)} ${what}`);
}

function unreadable(path: string, why: string, cause?: unknown): CairnError {
  return new CairnError(
    'token-unreadable',
    `the token file "${printable(path)}" is not used: ${why}`,
    cause === undefined ? {} : { cause },
  );
}
