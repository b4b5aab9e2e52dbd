/** Texts for logs and messages, with possible secrets removed. */

/** User and password of a URL, anywhere in a text. */
const USER_INFO = /\/\/[^/?#\s]*@/g;
/** Long enough for a token, longer than any id, and without the dots, slashes and blanks that names have. */
const TOKEN_LIKE = /[\w~+=-]{40,}/g;

/** Replaces users and passwords of URLs, and words that could be tokens, by an ellipsis. */
export function masked(text: string): string {
  return withoutUserInfo(text).replaceAll(TOKEN_LIKE, '…');
}

/** Replaces users and passwords of URLs by an ellipsis. */
export function withoutUserInfo(text: string): string {
  return text.replaceAll(USER_INFO, '//…@');
}
