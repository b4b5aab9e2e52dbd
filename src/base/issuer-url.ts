/** The URL of an OpenID Connect issuer, from any source, and the URLs that belong to it. Pure. */
import { CairnError, type ErrorCode } from './errors.ts';
import { isLoopbackHost } from './loopback.ts';
import { withoutUserInfo } from './masked.ts';
import { printable } from './safe-path.ts';

const MAX_URL_LENGTH = 2048;

/** Whether no host on the way can read or change traffic to `url`: https, or http within this machine. */
export function isPrivateLink(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname));
}

/**
 * Parses the URL of an issuer: https, or http within this machine; no user, query or fragment.
 *
 * @param who the source of the URL, for the message: `--oidc-issuer`, `the server`
 * @throws CairnError `code`
 */
export function parseIssuerUrl(text: string, who: string, code: ErrorCode): URL {
  const refused = (why: string): CairnError =>
    new CairnError(
      code,
      `the issuer "${printable(withoutUserInfo(text).slice(0, 300))}" of ${who} is refused: ${why}`,
    );
  if (text.length > MAX_URL_LENGTH || !/^[!-~]+$/.test(text) || !URL.canParse(text)) {
    throw refused('it is not a URL such as https://login.example.com/realms/files');
  }
  const url = new URL(text);
  if (!isPrivateLink(url)) {
    throw refused('it has to be https (http only for an issuer on this machine): it decides who may do what');
  }
  if (/[?#]/.test(text)) throw refused('the URL of an issuer must not have a query or a fragment');
  // A message that names the URL would show the password.
  if (url.username !== '' || url.password !== '') {
    throw new CairnError(code, `the issuer of ${who} is refused: its URL must not have a user or a password`);
  }
  return url;
}
