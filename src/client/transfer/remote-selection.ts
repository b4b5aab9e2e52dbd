/** Which entries of a listed tree a selection takes. Pure. */
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { EntryList } from '../../manifest/entry-table.ts';
import type { EntryType } from '../../manifest/entry.ts';
import type { Selector, Unselected } from '../../manifest/selection.ts';
import type { Notice } from '../../wire/tree-stream.ts';
import { listOfFile, missingListed } from './missing-listed.ts';

/** The entries that a selection leaves out. */
export interface RemoteSelection {
  readonly unselected: ChunkSet;
  /** How many they are, a directory counted once with all that is below it; what a list does not name, or a cache has, is not counted. */
  readonly count: number;
  /** What is listed, and is not there. */
  readonly missing: readonly Notice[];
}

/** How entries are selected. */
export interface RemoteWishes {
  /** What rules call the entry that is the whole tree, where it is no directory. */
  readonly name: string;
  readonly onUnselected?: ((path: string, kind: EntryType, reason: Unselected) => void) | undefined;
}

/** Of what the other side could not list, the entries that a selection does not leave out; only directories are unreadable. */
export function selectNotices(notices: readonly Notice[], selector: Selector): Notice[] {
  return notices.filter(({ path, code }) => {
    const type = code === 'source-unreadable' ? 'directory' : 'file';
    const why = selector.unselected({ path, type, sizeBytes: 0, mtimeNs: 0n })?.why;
    return why !== 'rule' && why !== 'not-listed';
  });
}

/**
 * Selects among entries in canonical order.
 *
 * @throws CairnError `not-directory` for a list of paths in what is no directory
 */
export function selectEntries(
  entries: EntryList,
  selector: Selector,
  { name, onUnselected = () => {} }: RemoteWishes,
): RemoteSelection {
  const { listed } = selector.selection;
  const pending = new Set(listed?.paths);
  const unselected = new ChunkSet();
  let count = 0;
  let outside: string | undefined;
  for (let index = 0; index < entries.length; index += 1) {
    const entry = entries.at(index)!;
    const isTop = entry.path === '';
    if (isTop && entry.type !== 'directory' && listed !== undefined) throw listOfFile(name);
    pending.delete(entry.path);
    const isBelow = outside !== undefined && entry.path.startsWith(outside);
    const isOnlyFile = isTop && entry.type !== 'directory';
    const reason = isBelow ? undefined : selector.unselected(isOnlyFile ? { ...entry, path: name } : entry);
    if (!isBelow && reason === undefined) continue;
    unselected.add(index);
    if (reason === undefined) continue;
    outside = `${entry.path}/`;
    if (reason.why === 'not-listed' || reason.why === 'cache') continue;
    count += 1;
    onUnselected(isOnlyFile ? name : entry.path, entry.type, reason);
  }
  return { unselected, count, missing: missingListed(selector, pending) };
}
