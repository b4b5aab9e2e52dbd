/** Variables of the environment that stand for options: their names, and the words for yes and no. */

const PREFIX = 'CAIRN';
const YES = new Set(['1', 'true', 'yes', 'on']);
const NO = new Set(['0', 'false', 'no', 'off']);

/** The variable of an option, by the names of its command and its own: `CAIRN_PUSH_RETRY_FOR`. */
export function variable(words: readonly string[]): string {
  return [PREFIX, ...words].join('_').replaceAll('-', '_').toUpperCase();
}

/** Whether a word says yes or no; undefined where it says neither. */
export function switchOf(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (YES.has(word)) return true;
  return NO.has(word) ? false : undefined;
}
