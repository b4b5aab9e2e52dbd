/** The URL of a thing on a server, as it stands on the command line. */
import { CairnError } from '../../base/errors.ts';
import { withoutUserInfo } from '../../base/masked.ts';
import { targetPathOf } from '../../base/safe-path.ts';
import { usage } from './usage.ts';

const EXAMPLE = 'http://127.0.0.1:7070/backups/home';
const PARTS = /^https?:\/\/([^/?#]*)([^?#]*)(\?|#)?/i;
// oxlint-disable-next-line no-control-regex -- the URL parser drops some of these silently
const NOT_IN_URL = /[\u0000-\u0020\u007f\\]/;

/** Whether a word looks like the URL of a server, so that a hint can be given where none belongs. */
export function looksLikeUrl(word: string): boolean {
  return /^https?:\/\//i.test(word);
}

/**
 * Parses a URL strictly. The URL standard repairs what it can (resolves `..`, drops tabs, turns backslashes): a target
 * that is repaired is another one than what was written, so that is refused here.
 *
 * @throws CairnError `usage`, or what `targetPathOf` throws for a path that cannot be a target
 */
export function parseServerUrl(word: string): URL {
  const [, authority = '', path = '', delimiter] = PARTS.exec(word) ?? [];
  if (!looksLikeUrl(word)) throw usage(`"${withoutUserInfo(word)}" is not the URL of a server`, EXAMPLE);
  // Before anything shows the word: it may hold a password.
  if (authority.includes('@')) throw userInUrl();
  if (delimiter !== undefined) {
    const escape = delimiter === '?' ? '%3F' : '%23';
    throw usage(
      `"${word}" has a "${delimiter}", which is not allowed in a URL of cairn; in a name, write ${escape} for it`,
      EXAMPLE,
    );
  }
  if (NOT_IN_URL.test(word)) {
    throw usage(`"${word}" has a character that a URL cannot have; percent-encode it`, 'a%20b, a%5Cb');
  }
  if (authority === '' || !URL.canParse(word)) throw usage(`"${word}" is not a valid URL`, EXAMPLE);
  refuseDots(word, path);
  const url = new URL(word);
  targetPathOf(url.pathname);
  return url;
}

function userInUrl(): CairnError {
  return new CairnError(
    'usage',
    'a URL must not have a user or password, which every process of this machine could read; ' +
      'put the token into a file that only you can read and give --token-file FILE, or set CAIRN_TOKEN',
  );
}

function refuseDots(word: string, path: string): void {
  for (const component of path.split('/')) {
    const name = component.replaceAll(/%2e/gi, '.');
    if (name === '.' || name === '..') {
      throw new CairnError('path-unsafe', `"${word}" is refused: it has a "." or ".." component`);
    }
  }
}
