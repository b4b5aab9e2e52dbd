/** Finds the entries of a destination that a manifest does not have. Pure. */
import { comparePaths } from '../base/safe-path.ts';
import type { EntryList } from './entry-table.ts';

/**
 * What an entry of the destination is to a manifest: one of its paths (`wanted`), one that it does not have, in a
 * directory that it has (`extra`), or one that it says nothing about (`outside`).
 */
export type Standing = 'wanted' | 'extra' | 'outside';

/**
 * Makes the function that tells the {@link Standing} of paths, which have to come in canonical order and with all
 * directories above them. What is beside several sources, each with a name of its own, is `outside`: the manifest then
 * has no entry for the target itself.
 */
export function createStandings(entries: EntryList): (path: string) => Standing {
  let next = 0;
  /** The path of the last entry that was not `outside`, and those of the directories above it. */
  const inside: string[] = [];
  return (path) => {
    while (next < entries.length && comparePaths(entries.pathOf(next), path) < 0) next += 1;
    const isWanted = next < entries.length && entries.pathOf(next) === path;
    while (inside.length > 0 && !isBelow(path, inside.at(-1)!)) inside.pop();
    const isExtra = !isWanted && inside.length > 0;
    if (isWanted || isExtra) inside.push(path);
    if (isWanted) return 'wanted';
    return isExtra ? 'extra' : 'outside';
  };
}

function isBelow(path: string, above: string): boolean {
  return above === '' ? path !== '' : path.startsWith(`${above}/`);
}
