/**
 * Keys as names of files. Each part of a key is a directory: `part+` where further parts follow, `part=` for the object
 * itself, so that `a` and `a/b` both fit. Names have no capitals and no dot at their end, so that keys stay distinct on
 * file systems that fold either.
 */
import { join } from 'node:path';

/** Precedes a character that a file system could change: a capital, written small, or a dot. */
const ESCAPE = '^';
const PREFIX_MARK = '+';
const OBJECT_MARK = '=';

/** A name in a directory of keys: an object, or the start of further keys, which then ends in a slash. */
export interface KeyName {
  /** The start of its keys; for an object the key itself. */
  readonly key: string;
  readonly name: string;
  readonly isObject: boolean;
}

/** The directory of the object under a checked key, below the directory of all keys. */
export function objectPath(keys: string, key: string): string {
  const parts = key.split('/');
  const last = parts.pop() ?? '';
  return join(keys, ...parts.map((part) => escaped(part) + PREFIX_MARK), escaped(last) + OBJECT_MARK);
}

/** The directory of all keys that begin with `prefix`, which is empty or ends in a slash. */
export function prefixPath(keys: string, prefix: string): string {
  const parts = prefix.split('/').slice(0, -1);
  return join(keys, ...parts.map((part) => escaped(part) + PREFIX_MARK));
}

/** The meaning of a name in the directory of `prefix`; undefined for a name that this file does not make. */
export function parseKeyName(prefix: string, name: string): KeyName | undefined {
  const part = name.slice(0, -1).replaceAll(/\^(.)/g, (_, character: string) => character.toUpperCase());
  const mark = name.slice(-1);
  if (escaped(part) + mark !== name) return undefined;
  if (mark === OBJECT_MARK) return { key: prefix + part, name, isObject: true };
  return mark === PREFIX_MARK ? { key: `${prefix}${part}/`, name, isObject: false } : undefined;
}

function escaped(part: string): string {
  return part.replaceAll(/[A-Z.]/g, (character) => ESCAPE + character.toLowerCase());
}
