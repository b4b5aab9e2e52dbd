/** The paths of `--files-from`: what is listed, with everything in it, and the directories on the way there. Pure. */
import { isUtf8 } from 'node:buffer';
import { CairnError } from '../base/errors.ts';
import { ancestorsOf, checkRelativePath, printable } from '../base/safe-path.ts';

/** Listed paths, relative to the tree. */
export interface ListedPaths {
  /** Each once, in the order of the list; the empty path stands for the whole tree. */
  readonly paths: readonly string[];
  /** Names that are not UTF-8, which no entry can have, as people can read them. */
  readonly notUtf8: readonly string[];
}

/** Whether a path is listed, or is in a listed directory; whether it is a directory on the way to one. */
export type ListedShare = 'listed' | 'above' | 'none';

const SLASH = 0x2f;

/**
 * Reads a list: one path a line, or with `isNul` each ended by a NUL. Empty lines count for nothing; `./` in front and a
 * slash at the end are dropped.
 *
 * @param name what to call the list in errors
 * @throws CairnError `usage` that names the line of a path which leaves the tree, or which no entry can have
 */
export function parseListedPaths(bytes: Uint8Array, name: string, isNul: boolean): ListedPaths {
  const paths = new Set<string>();
  const notUtf8: string[] = [];
  for (const [index, line] of split(Buffer.from(bytes), isNul ? 0 : 0x0a).entries()) {
    if (line.length === 0) continue;
    const place = `${isNul ? 'path' : 'line'} ${index + 1} of ${name}`;
    if (line[0] === SLASH) throw outside(place, line.toString(), 'is absolute');
    if (isUtf8(line)) paths.add(pathOf(line.toString(), place));
    else notUtf8.push(line.toString('latin1'));
  }
  return { paths: [...paths], notUtf8 };
}

function pathOf(line: string, place: string): string {
  const names = line.split('/').filter((each) => each !== '' && each !== '.');
  if (names.includes('..')) throw outside(place, line, 'has a ".." in it');
  try {
    return checkRelativePath(names.join('/'));
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    throw new CairnError('usage', `${place}: ${error.message}`, { cause: error });
  }
}

function outside(place: string, line: string, why: string): CairnError {
  const shown = printable(line);
  return new CairnError('usage', `${place}: "${shown}" ${why}; paths are relative to the tree, as in a/b`);
}

function split(bytes: Buffer, separator: number): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(separator); at >= 0; at = bytes.indexOf(separator, from)) {
    lines.push(bytes.subarray(from, at));
    from = at + 1;
  }
  lines.push(bytes.subarray(from));
  return lines;
}

/** Tells of any path what part of the list it is. */
export function createListLookup({ paths }: ListedPaths): (path: string) => ListedShare {
  const listed = new Set(paths);
  const above = new Set(['', ...paths.flatMap(ancestorsOf)]);
  return (path) => {
    if (listed.has('') || listed.has(path) || ancestorsOf(path).some((each) => listed.has(each)))
      return 'listed';
    return above.has(path) ? 'above' : 'none';
  };
}
