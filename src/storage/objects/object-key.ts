/** The keys that every object store takes: names that no service, file system or URL changes on the way. */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';

/** Longest key and longest part between two slashes, in characters, which are bytes. */
export const MAX_KEY_LENGTH = 500;
export const MAX_KEY_PART_LENGTH = 100;

const KEY = /^[A-Za-z0-9._/-]*$/;

/**
 * Refuses a text that is no key. A key has 1 to 500 letters, digits, `.`, `_` and `-` of ASCII, in parts of 1 to 100
 * that slashes divide, none of them `.` or `..`. Order by characters is order by bytes.
 *
 * @throws CairnError `path-unsafe`, `path-too-long`
 */
export function checkKey(key: string): void {
  checkLength(key);
  if (hasForm(key)) return;
  throw new CairnError('path-unsafe', `"${printable(key)}" is no key of an object`);
}

/** Refuses a text with which no key can begin; the empty text is allowed. @throws CairnError as {@link checkKey} */
export function checkPrefix(prefix: string): void {
  checkLength(prefix);
  const whole = prefix.split('/').slice(0, -1);
  if (KEY.test(prefix) && whole.every((part) => part !== '' && part !== '.' && part !== '..')) return;
  throw new CairnError('path-unsafe', `no key of an object begins with "${printable(prefix)}"`);
}

/** Whether a text is a key. */
export function isKey(text: string): boolean {
  return isShort(text) && hasForm(text);
}

function hasForm(key: string): boolean {
  return KEY.test(key) && key.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function isShort(key: string): boolean {
  return key.length <= MAX_KEY_LENGTH && key.split('/').every((part) => part.length <= MAX_KEY_PART_LENGTH);
}

function checkLength(key: string): void {
  if (isShort(key)) return;
  throw new CairnError(
    'path-too-long',
    `a key of an object has at most ${MAX_KEY_LENGTH} characters, ${MAX_KEY_PART_LENGTH} between slashes`,
  );
}
