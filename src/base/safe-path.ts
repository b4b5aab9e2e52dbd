/**
 * Relative paths as they stand in manifests and URLs. Every path from the other side is hostile until it went through
 * {@link checkRelativePath} or {@link targetPathOf}. Pure: touches no file system.
 */
import { CairnError } from './errors.ts';

/** Name that no entry may have: below it live the protocol (in URLs) and the server's own state (in the root). */
export const RESERVED_NAME = '.cairn';
/** Names of the same kind: of a user's own directory where another user has taken {@link RESERVED_NAME}. */
const RESERVED = /^\.cairn(?:-\d{1,10}(?:-[0-9a-f]{8})?)?$/;

/** Longest name of one component, in UTF-8 bytes (NAME_MAX of Linux). */
const MAX_COMPONENT_BYTES = 255;
/** Longest path, in UTF-8 bytes (PATH_MAX of Linux). */
const MAX_PATH_BYTES = 4096;

/** An empty component (also from a leading, trailing or double '/'), '.' or '..'. */
const UNSAFE_COMPONENT = /(?:^|\/)\.{0,2}(?:\/|$)/;
/** Characters allowed raw in the path of a request line: visible ASCII without the delimiters of query and fragment. */
const RAW_URL_PATH = /^\/[!"$->@-~]*$/;
/** Control characters, line and paragraph separators, bidirectional overrides, and halves of a surrogate pair. */
const UNPRINTABLE =
  // oxlint-disable-next-line no-control-regex -- finding them is the purpose
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;

/** Whether a name is cairn's own: {@link RESERVED_NAME}, or `.cairn-UID`, also with eight hex digits behind it. */
export function isReservedName(name: string): boolean {
  return name.startsWith(RESERVED_NAME) && RESERVED.test(name);
}

/** Other spellings that a file system may take for the reserved name: folded, with ignored characters, or short. */
const ALIAS = /^(?:\.cairn(?:-\d{1,10}(?:-[0-9a-f]{8})?)?|cairn[-\d]{0,5}~\d{1,6})$/;
const MAX_ALIAS_UNITS = 64;

/** Whether some file system takes a name for a reserved one. */
export function mayBeReservedName(name: string): boolean {
  if (name.length > MAX_ALIAS_UNITS || isReservedName(name)) return false;
  const folded = name
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .toLowerCase();
  const [base = ''] = folded.split(':', 1);
  let end = base.length;
  while (base[end - 1] === '.' || base[end - 1] === ' ') end -= 1;
  return ALIAS.test(base.slice(0, end));
}

function unsafe(path: string, why: string): CairnError {
  return new CairnError('path-unsafe', `the path "${printable(path.slice(0, 300))}" is refused: ${why}`);
}

function checkLength(path: string): void {
  // A UTF-16 code unit takes at most 3 UTF-8 bytes, so most paths need no measuring.
  if (path.length * 3 <= MAX_COMPONENT_BYTES) return;
  const tooLong = (what: string, limit: number): CairnError =>
    new CairnError(
      'path-too-long',
      `${what} of "${printable(path.slice(0, 80))}…" is over ${limit} bytes long`,
    );
  if (path.length > MAX_PATH_BYTES || Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw tooLong('the path', MAX_PATH_BYTES);
  }
  for (const name of path.split('/')) {
    if (name.length * 3 > MAX_COMPONENT_BYTES && Buffer.byteLength(name) > MAX_COMPONENT_BYTES) {
      throw tooLong('a name in the path', MAX_COMPONENT_BYTES);
    }
  }
}

/**
 * Returns `path` if it is a canonical relative path that cannot leave its root: components separated by '/', none of
 * them empty, '.', '..' or {@link isReservedName}, at most 255 bytes each and 4096 bytes in all (UTF-8).
 * '' stands for the root itself. A backslash is an ordinary character, as on Linux.
 *
 * @throws CairnError `path-unsafe`, `path-too-long` or `path-reserved`
 */
export function checkRelativePath(path: string): string {
  if (path === '') return path;
  checkLength(path);
  const mayBeUnsafe = mayHaveUnsafeComponent(path);
  if (mayBeUnsafe && UNSAFE_COMPONENT.test(path))
    throw unsafe(path, 'it has an empty, "." or ".." component');
  if (path.includes('\0')) throw unsafe(path, 'it contains a NUL character');
  if (!path.isWellFormed()) throw unsafe(path, 'it is not well-formed Unicode');
  if (mayBeUnsafe && path.includes(RESERVED_NAME)) refuseReserved(path);
  return path;
}

/** Whether a component is empty or begins with a dot: few do, and paths are checked by the hundred thousand. */
function mayHaveUnsafeComponent(path: string): boolean {
  return (
    path.startsWith('.') ||
    path.startsWith('/') ||
    path.endsWith('/') ||
    path.includes('/.') ||
    path.includes('//')
  );
}

function refuseReserved(path: string): void {
  const name = path.split('/').find(isReservedName);
  if (name === undefined) return;
  throw new CairnError('path-reserved', `the name "${name}" in "${printable(path)}" is reserved for cairn`);
}

/**
 * The relative path that the path of a URL names, percent-decoded component by component; one trailing '/' is dropped
 * and '/' gives ''. Takes the path as it stands in the request line, without the query (RFC 3986, section 3.3).
 *
 * @throws CairnError `path-unsafe` for an ambiguous path (encoded '/', NUL, dot components, broken
 * escapes, invalid UTF-8, empty components, raw non-ASCII), `path-too-long`, `path-reserved`
 */
export function targetPathOf(urlPath: string): string {
  if (!RAW_URL_PATH.test(urlPath)) throw unsafe(urlPath, 'it is not the path of a URL');
  if (urlPath === '/') return '';
  const end = urlPath.endsWith('/') ? urlPath.length - 1 : urlPath.length;
  const names = urlPath.slice(1, end).split('/');
  for (const [index, name] of names.entries()) {
    if (name === '') throw unsafe(urlPath, 'it has an empty component');
    if (!name.includes('%')) continue;
    const decoded = decodeComponent(name, urlPath);
    if (decoded.includes('/')) throw unsafe(urlPath, 'it has an encoded "/"');
    names[index] = decoded;
  }
  return checkRelativePath(names.join('/'));
}

function decodeComponent(name: string, urlPath: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw unsafe(urlPath, 'it has a percent escape that is broken or not UTF-8');
  }
}

/**
 * The path of a URL for a relative path: the inverse of {@link targetPathOf}.
 *
 * @throws CairnError like {@link checkRelativePath}
 */
export function urlPathOf(path: string): string {
  return `/${checkRelativePath(path).split('/').map(encodeURIComponent).join('/')}`;
}

/** `relative` below `base`; '' is neutral on both sides. Checks nothing. */
export function joinPath(base: string, relative: string): string {
  if (base === '') return relative;
  return relative === '' ? base : `${base}/${relative}`;
}

/** The paths above a safe relative path, without the root, the highest first. */
export function ancestorsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

/**
 * Rank of a UTF-16 code unit in the canonical order. '/' comes first. Surrogates stand for code points above U+FFFF
 * but have lower numbers than U+E000..U+FFFF, so the two ranges trade places.
 */
function rank(unit: number): number {
  if (unit === 0x2f) return -1;
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/**
 * Canonical order of a manifest (negative, 0, positive): by code point, which is the order of the UTF-8 bytes, except
 * that '/' comes before everything, so that a directory is directly followed by all that is under it.
 */
export function comparePaths(a: string, b: string): number {
  if (a === b) return 0;
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index += 1) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/**
 * `name` made safe for a terminal or a log line: characters that could move the cursor, break the line or reorder the
 * text become \xNN or \u{…} (Unicode TR 36, "bidirectional text spoofing"). Ordinary characters stay.
 */
export function printable(name: string): string {
  return name.replace(UNPRINTABLE, (character) => {
    const unit = character.charCodeAt(0);
    const digits = unit.toString(16);
    return unit < 0x100 ? `\\x${digits.padStart(2, '0')}` : `\\u{${digits}}`;
  });
}
