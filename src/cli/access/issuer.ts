/** What a client asks an OpenID Connect issuer: the one user of `openid-client`, which is loaded with it. */
import * as oauth from 'openid-client';
import { ClientError, ResponseBodyError } from 'openid-client';
import { CairnError } from '../../base/errors.ts';
import { fetchFromIssuer, unavailable, type IssuerFetch } from '../../base/issuer-fetch.ts';
import { parseIssuerUrl } from '../../base/issuer-url.ts';
import { printable } from '../../base/safe-path.ts';

/** The issuer, the client that asks it, and the server that the tokens are for. */
export interface IssuerOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** The server that the tokens have to be for; the issuer chooses, where undefined. */
  readonly audience: string | undefined;
  /** How it is asked; straight, where undefined. */
  readonly fetch?: IssuerFetch | undefined;
  /** Ends each request; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** What an issuer gives. Times are milliseconds since 1970. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken?: string;
  readonly obtainedAtMs: number;
  readonly expiresAtMs?: number;
}

/** An issuer that said who it is, and how to ask it. */
export interface Issuer {
  readonly config: oauth.Configuration;
  readonly url: URL;
  /** The parameters that name the server that the tokens are for: that of RFC 8707, and an older one. */
  readonly target: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/** The longest that an access token is believed to live: a year. */
const MAX_LIFE_SECONDS = 366 * 24 * 3600;
const MAX_TOKEN_LENGTH = 15_000;

const MAX_SHOWN = 300;
/** Looks like a token: an issuer may quote what it was sent. */
const TOKEN_LIKE = /[\w.~+/=-]{32,}/g;
const FOR_NOW = new Set(['temporarily_unavailable', 'server_error']);

/**
 * Asks an issuer what it can do: OpenID Connect Discovery, else RFC 8414.
 *
 * @throws CairnError `login-failed` for an issuer that is not https, or is none; `issuer-unavailable`; the signal's reason
 */
export async function openIssuer(options: IssuerOptions): Promise<Issuer> {
  const { clientId, audience, signal } = options;
  const url = parseIssuerUrl(options.issuer, 'this login', 'login-failed');
  const discover = (algorithm: 'oidc' | 'oauth2'): Promise<oauth.Configuration> =>
    oauth.discovery(url, clientId, { token_endpoint_auth_method: 'none' }, oauth.None(), {
      algorithm,
      [oauth.customFetch]: (to, { method, headers, body, signal: own }) =>
        fetchFromIssuer(url, new URL(to), {
          method,
          headers,
          body: body as RequestInit['body'],
          fetch: options.fetch,
          signal:
            own === undefined ? signal : AbortSignal.any([own, ...(signal === undefined ? [] : [signal])]),
        }),
      // Our own fetch decides what may be asked without TLS: only an issuer on this machine.
      ...(url.protocol === 'http:' ? { execute: [oauth.allowInsecureRequests] } : {}),
    });
  const config = await asking({ url, signal }, () =>
    discover('oidc').catch((error: unknown) => {
      const isMissing = error instanceof oauth.ClientError && (error.cause as Response)?.status === 404;
      if (isMissing) return discover('oauth2');
      throw error;
    }),
  );
  return { config, url, target: targetOf(audience), signal };
}

/**
 * New tokens for a refresh token, which is used up by that where the issuer rotates them.
 *
 * @throws CairnError `login-failed` (with details `oauthError` `invalid_grant` for one that is over), `issuer-unavailable`
 */
export async function refreshTokens(issuer: Issuer, refreshToken: string): Promise<Tokens> {
  const { config, target } = issuer;
  const answer = await asking(issuer, () => oauth.refreshTokenGrant(config, refreshToken, target));
  return { refreshToken, ...tokensOf(answer, issuer.url) };
}

/**
 * Ends a token (RFC 7009), and with a refresh token what was made of it; false where the issuer has no way to do that.
 *
 * @throws CairnError `login-failed`, `issuer-unavailable`
 */
export async function revokeToken(issuer: Issuer, token: string): Promise<boolean> {
  const { config } = issuer;
  if (config.serverMetadata().revocation_endpoint === undefined) return false;
  await asking(issuer, () => oauth.tokenRevocation(config, token));
  return true;
}

/** What a token response holds, if it can be used as a bearer token. @throws CairnError `login-failed` */
export function tokensOf(answer: oauth.TokenEndpointResponse, url: URL): Tokens {
  const { access_token, refresh_token, expires_in, token_type } = answer;
  const isToken = (text: string): boolean => /^[!-~]+$/.test(text) && text.length <= MAX_TOKEN_LENGTH;
  if (token_type !== 'bearer' || !isToken(access_token) || (refresh_token && !isToken(refresh_token))) {
    throw new CairnError(
      'login-failed',
      `the issuer ${url.href} gives tokens that cannot be used as bearer tokens`,
    );
  }
  const obtainedAtMs = Date.now();
  return {
    accessToken: access_token,
    obtainedAtMs,
    ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
    ...(expires_in === undefined
      ? {}
      : { expiresAtMs: Math.round(obtainedAtMs + Math.min(expires_in, MAX_LIFE_SECONDS) * 1000) }),
  };
}

/** Runs a request to the issuer. @throws CairnError what it stands for; the signal's reason */
export async function asking<T>(
  { url, signal }: Pick<Issuer, 'url' | 'signal'>,
  request: () => Promise<T>,
): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw issuerError(error, url);
  }
}

function targetOf(audience: string | undefined): Record<string, string> {
  if (audience === undefined) return {};
  const isUri = /^(?:https?:\/\/|urn:)[^#]+$/.test(audience) && URL.canParse(audience);
  return { audience, ...(isUri ? { resource: audience } : {}) };
}

/**
 * The CairnError that a failure of `openid-client` stands for: `issuer-unavailable` where it may work later, else
 * `login-failed`; anything else, such as the reason of a signal, as it is. Tokens are never in it.
 */
function issuerError(error: unknown, issuer: URL): unknown {
  for (let inner: unknown = error; inner instanceof Error; inner = inner.cause) {
    if (inner instanceof CairnError) return inner;
  }
  if (error instanceof ResponseBodyError) return ofAnswer(error, issuer);
  if (!(error instanceof ClientError)) return error;
  const status = error.cause instanceof Response ? error.cause.status : 0;
  if (error.code === 'OAUTH_TIMEOUT') return unavailable(issuer, 'it did not answer in time');
  if (status === 429 || status >= 500) return unavailable(issuer, `HTTP status ${status}`);
  const code = error.code === undefined ? '' : ` (${error.code})`;
  const message = `the answer of the issuer ${issuer.href} cannot be understood: ${printable(error.message)}${code}`;
  return new CairnError('login-failed', message);
}

function ofAnswer({ error, error_description, status }: ResponseBodyError, issuer: URL): CairnError {
  const shown = shorten(error_description === undefined ? error : `${error}: ${error_description}`);
  if (FOR_NOW.has(error) || status === 429 || status >= 500) return unavailable(issuer, shown);
  return new CairnError('login-failed', `the issuer ${issuer.href} refuses (${shown})`, {
    details: { oauthError: shorten(error) },
  });
}

function shorten(text: string): string {
  return printable(text.replaceAll(TOKEN_LIKE, '…').slice(0, MAX_SHOWN));
}
