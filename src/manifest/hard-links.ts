/** Hard links of one tree: the first entry of a file carries its bytes, each further name of it is a `hardlink`. */
import { firstIndex } from '../base/first-index.ts';
import { comparePaths } from '../base/safe-path.ts';
import type { Entry, Identity, ScannedEntry } from './entry.ts';
import type { EntryList } from './entry-table.ts';
import { inodeOf } from './identity.ts';

/** Makes hard links of the files of one scan; it takes the entries in canonical order, with their final paths. */
export function createLinkFinder(): (found: ScannedEntry, path: string) => Entry {
  const firsts = new Map<Identity, string>();
  return ({ entry, identity, hasOtherNames = false }, path) => {
    const named = entry.path === path ? entry : { ...entry, path };
    if (!hasOtherNames || entry.type !== 'file') return named;
    const inode = inodeOf(identity);
    const first = firsts.get(inode);
    if (first !== undefined) return hardLink(path, first);
    firsts.set(inode, path);
    return named;
  };
}

/** The entry of a further name of the file at `first`. */
export function hardLink(path: string, first: string): Entry {
  return { type: 'hardlink', path, sizeBytes: 0, mode: 0, mtimeNs: 0n, linkTarget: first };
}

/** The index of the entry with a path, among the first `before` of a list in canonical order; undefined for none. */
export function indexOfPath(entries: EntryList, path: string, before = entries.length): number | undefined {
  const index = firstIndex(before, (each) => comparePaths(entries.pathOf(each), path) >= 0);
  return index < before && entries.pathOf(index) === path ? index : undefined;
}
