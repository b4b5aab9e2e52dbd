/** The access token of a login, refreshed when its time is over. */
import { CairnError } from '../../base/errors.ts';
import type { IssuerFetch } from '../../base/issuer-fetch.ts';
import { lockLogin, loginFileOf, readLogin, writeLogin, type Login } from './credentials.ts';
import type { Issuer, Tokens } from './issuer.ts';
import type { Environment } from './user-directories.ts';

type Refresh = (login: Login & { readonly refreshToken: string }) => Promise<Tokens>;

/** Where to look, and what a test puts in place of the issuer and the clock. */
export interface LoginTokenOptions {
  readonly env: Environment;
  /** The only server that gets the token. */
  readonly origin: string;
  readonly refresh?: Refresh;
  /** How the issuer is asked; straight, where undefined. */
  readonly fetch?: IssuerFetch | undefined;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A token that ends so soon is no longer used: it has to arrive, and clocks differ. */
const MARGIN_MS = 30_000;
/** Of the life of a token that lives shorter. */
const MARGIN_OF_LIFE = 0.2;

/**
 * A provider of the access token; undefined without a login. A caller that asks again and would get the same token gets a new
 * one: the server has refused it, or will soon.
 *
 * The provider throws CairnError `login-failed` when a new login is needed, `issuer-unavailable` while the token is over
 * and the issuer away, `token-unreadable`, storage codes.
 */
export function loginToken(options: LoginTokenOptions): () => Promise<string | undefined> {
  const { env, origin, refresh = issuerAsker(options.fetch), now = Date.now } = options;
  const path = loginFileOf(env, origin);
  let given: string | undefined;
  return async () => {
    const kept = await readLogin(path, origin);
    if (kept === undefined) return undefined;
    const isGood = (login: Login): boolean => login.accessToken !== given && !isNearItsEnd(login, now());
    const login = isGood(kept) ? kept : await renew(kept);
    return (given = login.accessToken);
  };

  async function renew(login: Login): Promise<Login> {
    if (login.refreshToken === undefined) {
      if (!isOver(login, now())) return login;
      throw loginOver(origin, 'has expired, and the issuer gave no refresh token for it');
    }
    const lock = await lockLogin(path);
    try {
      const current = await readLogin(path, origin);
      if (current === undefined) throw loginOver(origin, 'has been ended by cairn logout');
      // Another process was faster: the refresh token that was there before is used up.
      if (current.accessToken !== login.accessToken && !isNearItsEnd(current, now())) return current;
      return await refreshed(current);
    } finally {
      await lock.release();
    }
  }

  async function refreshed(login: Login): Promise<Login> {
    const { refreshToken } = login;
    if (refreshToken === undefined) return login;
    try {
      const { expiresAtMs: _over, ...rest } = login;
      const next = { ...rest, ...(await refresh({ ...login, refreshToken })) };
      // Before the token is used: the old one may have ended already.
      await writeLogin(path, next);
      return next;
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      if (error.code === 'issuer-unavailable' && !isOver(login, now())) return login;
      if (error.details['oauthError'] !== 'invalid_grant') throw error;
      throw loginOver(origin, 'has ended: the issuer no longer renews it', error);
    }
  }
}

/** Asks the issuer for new tokens, and what it can do only the first time, or after it failed. */
function issuerAsker(fetch: IssuerFetch | undefined): Refresh {
  let known: { readonly of: string; readonly issuer: Issuer } | undefined;
  return async ({ issuer, clientId, audience, refreshToken }) => {
    const { openIssuer, refreshTokens } = await import('./issuer.ts');
    const of = JSON.stringify([issuer, clientId, audience]);
    const opened = known?.of === of ? known.issuer : await openIssuer({ issuer, clientId, audience, fetch });
    known = undefined;
    const tokens = await refreshTokens(opened, refreshToken);
    known = { of, issuer: opened };
    return tokens;
  };
}

function isOver({ expiresAtMs = Infinity }: Login, nowMs: number): boolean {
  return nowMs >= expiresAtMs;
}

function isNearItsEnd({ obtainedAtMs, expiresAtMs = Infinity }: Login, nowMs: number): boolean {
  const marginMs = Math.min(MARGIN_MS, (expiresAtMs - obtainedAtMs) * MARGIN_OF_LIFE);
  return nowMs >= expiresAtMs - marginMs;
}

function loginOver(origin: string, why: string, cause?: unknown): CairnError {
  const message = `the login for ${origin} ${why}; run: cairn login ${origin} (everything is kept)`;
  return new CairnError('login-failed', message, cause === undefined ? {} : { cause });
}
