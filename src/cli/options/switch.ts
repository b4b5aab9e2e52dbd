/** Options without a value, as words: `1`, `true`, `yes`, `on`, and their opposites. */

const YES = new Set(['1', 'true', 'yes', 'on']);
const NO = new Set(['0', 'false', 'no', 'off']);

/** Whether a word says yes or no; undefined where it says neither. */
export function switchOf(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (YES.has(word)) return true;
  return NO.has(word) ? false : undefined;
}

/** Whether a variable of the environment says yes. */
export function isOn(text: string | undefined): boolean {
  return switchOf(text ?? '') === true;
}
