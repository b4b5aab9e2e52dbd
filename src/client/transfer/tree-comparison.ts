/** Two lists of entries side by side. Pure. */
import { comparePaths } from '../../base/safe-path.ts';
import type { Entry } from '../../manifest/entry.ts';
import { modesAgree } from '../../manifest/modes.ts';
import type { EntryList } from '../../manifest/entry-table.ts';

/** Something that is not the same on both sides. */
export interface Differing {
  readonly path: string;
  readonly why:
    | 'content'
    | 'type'
    | 'size'
    | 'link'
    | 'missing-local'
    | 'missing-remote'
    /** It is asked for by name, and neither side has it. */
    | 'missing-both'
    | 'mode'
    | 'mtime'
    | 'unreadable';
}

/** A file of the same size on both sides, by its indices; only its contents can still differ. */
export interface Pair {
  readonly ours: number;
  readonly theirs: number;
}

/** Compares two lists in canonical order by everything but contents. */
export function compareTrees(
  ours: EntryList,
  theirs: EntryList,
): { readonly pairs: Pair[]; readonly differing: Differing[] } {
  const pairs: Pair[] = [];
  const differing: Differing[] = [];
  let i = 0;
  let j = 0;
  while (i < ours.length || j < theirs.length) {
    const [own, other] = [ours.at(i), theirs.at(j)];
    const order = own === undefined ? 1 : other === undefined ? -1 : comparePaths(own.path, other.path);
    if (order < 0) differing.push({ path: ours.pathOf(i++), why: 'missing-remote' });
    else if (order > 0) differing.push({ path: theirs.pathOf(j++), why: 'missing-local' });
    else {
      const found = compareEntries(own!, other!);
      differing.push(...found);
      const isSameSize = !found.some(({ why }) => why === 'type' || why === 'size');
      if (own!.type === 'file' && own!.sizeBytes > 0 && isSameSize) pairs.push({ ours: i, theirs: j });
      i += 1;
      j += 1;
    }
  }
  return { pairs, differing };
}

function compareEntries(own: Entry, other: Entry): Differing[] {
  const { path } = own;
  if (own.type !== other.type) return [{ path, why: 'type' }];
  const differing: Differing[] = [];
  if (own.sizeBytes !== other.sizeBytes) differing.push({ path, why: 'size' });
  if (own.linkTarget !== other.linkTarget) differing.push({ path, why: 'link' });
  if (!modesAgree(own, other.mode)) differing.push({ path, why: 'mode' });
  if (own.mtimeNs !== other.mtimeNs) differing.push({ path, why: 'mtime' });
  return differing;
}
