/** What `lstat` says, as entries and identities. */
import type { FileStat } from '../../base/file-stat.ts';
import { type EntryType, type Identity, portableMode, type ScannedEntry } from '../../manifest/entry.ts';

const MTIME_LIMIT_NS = 2n ** 63n;

/** What tells one version of a file from the next: a change of any of these is another version. */
export function identityOf(stat: FileStat): Identity {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/** Whether size and mtime fit an entry; file systems can hold stranger ones. */
export function isRepresentable(stat: FileStat): boolean {
  return (
    stat.size <= BigInt(Number.MAX_SAFE_INTEGER) &&
    stat.mtimeNs < MTIME_LIMIT_NS &&
    stat.mtimeNs >= -MTIME_LIMIT_NS
  );
}

/** The entry at `path` that `lstat` found. */
export function foundEntry(
  path: string,
  type: Exclude<EntryType, 'stream'>,
  stat: FileStat,
  linkTarget: string,
): ScannedEntry {
  const entry = {
    type,
    path,
    sizeBytes: type === 'file' ? Number(stat.size) : 0,
    mode: portableMode(type, Number(stat.mode)),
    mtimeNs: stat.mtimeNs,
    linkTarget,
  };
  return { entry, identity: identityOf(stat) };
}
