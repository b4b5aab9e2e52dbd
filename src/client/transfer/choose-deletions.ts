/** Which of the entries that only the destination has are deleted: not the protected ones, and not too many. Pure. */
import { ancestorsOf, printable } from '../../base/safe-path.ts';
import { EntryTable, type EntryList } from '../../manifest/entry-table.ts';
import type { Candidate } from '../../manifest/selection.ts';
import type { MaxDelete } from '../api/options.ts';

/** Whether an entry of the destination stays, whatever else is decided; all that is below it stays, too. */
export type IsProtected = (entry: Candidate) => boolean;

/**
 * The entries that may be deleted: neither protected ones, nor what is below one, nor the directories above one.
 *
 * @param extras in canonical order
 * @param unlisted printable paths of what else is there, whose directories have to stay
 */
export function chooseDeletions(
  extras: EntryList,
  isProtected: IsProtected,
  unlisted: readonly string[] = [],
): EntryTable {
  const stays = new Uint8Array(extras.length);
  let protectedAbove: string | undefined;
  for (let index = 0; index < extras.length; index += 1) {
    const entry = extras.at(index)!;
    const isBelow = protectedAbove !== undefined && entry.path.startsWith(`${protectedAbove}/`);
    if (!isBelow && !isProtected(entry)) continue;
    stays[index] = 1;
    if (!isBelow) protectedAbove = entry.path;
  }
  const above = new Set(unlisted.flatMap((path) => ancestorsOf(path)));
  for (let index = extras.length - 1; index >= 0; index -= 1) {
    const path = extras.pathOf(index);
    const isAbove = extras.typeOf(index) === 'directory' && above.has(printable(path));
    if (stays[index] === 0 && !isAbove) continue;
    stays[index] = 1;
    for (const directory of ancestorsOf(printable(path))) above.add(directory);
  }
  const chosen = new EntryTable();
  for (let index = 0; index < extras.length; index += 1)
    if (stays[index] === 0) chosen.push(extras.at(index)!);
  return chosen;
}

/** Protects what is at or below places of the source that could not be looked at, by their printable paths. */
export function protectsUnseen(paths: readonly string[]): IsProtected {
  const unseen = new Set(paths);
  if (unseen.size === 0) return () => false;
  return ({ path }) => {
    const shown = printable(path);
    return unseen.has('') || unseen.has(shown) || ancestorsOf(shown).some((above) => unseen.has(above));
  };
}

/** Whether so many deletions are more than a user allows, of so many entries at the destination. */
export function isTooMany(deletions: number, total: number, max: MaxDelete): boolean {
  return 'percent' in max ? deletions * 100 > total * max.percent : deletions > max.entries;
}
