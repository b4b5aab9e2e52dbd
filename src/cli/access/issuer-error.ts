/** What goes wrong between a client and its issuer, as errors of cairn. */
import { ClientError, ResponseBodyError } from 'openid-client';
import { CairnError } from '../../base/errors.ts';
import { unavailable } from '../../base/issuer-fetch.ts';
import { printable } from '../../base/safe-path.ts';

const MAX_SHOWN = 300;
/** Looks like a token: an issuer may quote what it was sent. */
const TOKEN_LIKE = /[\w.~+/=-]{32,}/g;
const FOR_NOW = new Set(['temporarily_unavailable', 'server_error']);

/**
 * The CairnError that a failure of `openid-client` stands for: `issuer-unavailable` where it may work later, else
 * `login-failed`; anything else, such as the reason of a signal, as it is. Tokens are never in it.
 */
export function issuerError(error: unknown, issuer: URL): unknown {
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
