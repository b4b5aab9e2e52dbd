/** Texts for logs and messages without what may be a secret. */

/** User and password of a URL, wherever it stands in a text. */
const USER_INFO = /\/\/[^/?#\s]*@/g;
/** Long enough for a token, and without the dots, slashes and blanks that names have; longer than any id. */
const TOKEN_LIKE = /[\w~+=-]{40,}/g;

/** A text in which users and passwords of URLs, and words that could be tokens, are an ellipsis. */
export function masked(text: string): string {
  return withoutUserInfo(text).replaceAll(TOKEN_LIKE, '…');
}

/** A text in which users and passwords of URLs are an ellipsis. */
export function withoutUserInfo(text: string): string {
  return text.replaceAll(USER_INFO, '//…@');
}
