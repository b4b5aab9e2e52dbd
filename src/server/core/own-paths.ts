/** Hides the server's own paths: where it keeps its files concerns only its operator, and no client. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { CairnError, type ErrorDetails } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';

/** A directory of the server, and the text that clients read in its place; empty for the root of their paths. */
export interface OwnDirectory {
  readonly path: string;
  readonly shownAs: string;
}

/** Takes the server's own paths out of a text. */
export type HidePaths = (text: string) => string;

/** Characters that may follow the end of a path. */
const ENDS: ReadonlySet<string> = new Set(['/', '"', "'", ' ', '\n', ',', ';', ':', ')', '']);

/** Hides these directories, under every name that they have now. */
export function hidingPaths(directories: readonly OwnDirectory[]): HidePaths {
  const shownAs = new Map<string, string>();
  for (const { path, shownAs: shown } of directories)
    for (const name of namesOf(path)) if (name !== '/') shownAs.set(name, shown);
  // The longest first, since one directory may lie in another.
  const names = [...shownAs].toSorted(([a], [b]) => b.length - a.length);
  return (text) => names.reduce((rest, [name, shown]) => without(rest, name, shown), text);
}

function without(text: string, name: string, shown: string): string {
  let kept = '';
  let from = 0;
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length)) {
    const end = at + name.length;
    if (!ENDS.has(text.charAt(end))) continue;
    // The root of a client's paths is a slash itself.
    const isSlash = shown === '' && text.charAt(end) !== '/';
    kept += text.slice(from, at) + (isSlash ? '/' : shown);
    from = end;
  }
  return kept + text.slice(from);
}

/** An error without the server's own paths in its message and details. The log gets the original as its cause. */
export function discreetError(error: CairnError, hide: HidePaths): CairnError {
  const details = discreetDetails(error.details, hide);
  return new CairnError(error.code, hide(error.message), { cause: error, details });
}

function discreetDetails(details: ErrorDetails, hide: HidePaths): ErrorDetails {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, typeof value === 'string' ? hide(value) : value]),
  );
}

function namesOf(path: string): string[] {
  const given = resolve(path);
  const real = realpathOf(given);
  return [path, given, real, printable(given), printable(real)];
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // not made yet: its name will be the real one
  }
}
