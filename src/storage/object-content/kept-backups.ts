/** Keeps published entries that are replaced or removed, under the same paths in another directory. */
import { ancestorsOf, joinPath } from '../../base/safe-path.ts';
import { indexOfPath } from '../../manifest/hard-links.ts';
import { isBelow, type TreeEntry } from '../entry-tree/tree-entry.ts';
import { freshNames } from '../fresh-names.ts';
import type { OtherChanges, Publishing } from './publishing.ts';
import { plainDirectory } from './tree-paths.ts';

/** Adds what is kept to the other changes of a publishing. */
export function createBackups(
  { tree, transfer: { manifest, target }, order: { backup }, nowMs }: Publishing,
  others: OtherChanges,
): {
  /** Keeps a file or link; nothing of a directory, and nothing without a directory for backups. @param path relative to the target */
  readonly keep: (path: string, kept: TreeEntry) => Promise<void>;
} {
  const isInManifest = (path: string): boolean => {
    const isInside = target === '' || path === target || isBelow(path, target);
    const relative = target === '' ? path : path.slice(target.length + 1);
    return isInside && indexOfPath(manifest.entries, relative) !== undefined;
  };
  const isTaken = async (path: string): Promise<boolean> =>
    others.has(path) || isInManifest(path) || (await tree.find(path)) !== undefined;
  return {
    keep: async (path, kept) => {
      if (backup === undefined || kept.entry.type === 'directory') return;
      const wanted = joinPath(backup, path);
      for (const above of ancestorsOf(wanted)) {
        if (!(await isTaken(above)))
          others.set(above, { path: above, entry: plainDirectory(above, await nowMs()) });
      }
      const slash = wanted.lastIndexOf('/') + 1;
      for (const name of freshNames(wanted.slice(slash))) {
        const at = wanted.slice(0, slash) + name;
        if (await isTaken(at)) continue;
        others.set(at, { path: at, entry: { ...kept, entry: { ...kept.entry, path: at } } });
        return;
      }
    },
  };
}
