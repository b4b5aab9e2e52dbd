/** The names in a directory, in canonical order, of any bytes. */
import { isUtf8 } from 'node:buffer';
import { readdirSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { comparePaths } from '../../../base/safe-path.ts';

/** The names of one directory: those that can be entries, and those that are not UTF-8. */
export interface Names {
  /** In canonical order. */
  readonly names: string[];
  readonly notUtf8: readonly Buffer[];
}

/** From here on the order of UTF-16 code units differs from that of code points. */
const NEEDS_COMPARING = /[\ud800-\uffff]/;

/** Lists an open directory. @throws system errors */
export function listNames(directory: Directory): Names {
  const path = directory.here();
  let names = readdirSync(path);
  let notUtf8: Buffer[] = [];
  // Node puts U+FFFD for invalid UTF-8; only the bytes tell such a name from one with a real U+FFFD.
  if (names.some((name) => name.includes('\ufffd'))) {
    const all = readdirSync(path, { encoding: 'buffer' });
    names = all.filter((name) => isUtf8(name)).map((name) => name.toString());
    notUtf8 = all.filter((name) => !isUtf8(name));
  }
  if (names.some((name) => NEEDS_COMPARING.test(name))) names.sort(comparePaths);
  // oxlint-disable-next-line typescript/require-array-sort-compare -- below U+D800 code units are code points
  else names.sort();
  return { names, notUtf8 };
}

/** A name that is not UTF-8, for people: ASCII unchanged, every other byte as \xNN. */
export function showBytes(name: Buffer): string {
  return Array.from(name, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('');
}
