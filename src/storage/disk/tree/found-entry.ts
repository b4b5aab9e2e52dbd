/** What `lstat` says, as entries and identities. */
import type { FileStat } from '../../../base/file-stat.ts';
import { carriedTime } from '../../../manifest/entry-time.ts';
import { type EntryType, type Identity, portableMode, type ScannedEntry } from '../../../manifest/entry.ts';

/** What tells one version of a file from the next: a change of any of these is another version. */
export function identityOf(stat: FileStat): Identity {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/** The entry at `path` that `lstat` found, with the nearest time that can be carried. */
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
    mtimeNs: carriedTime(stat.mtimeNs),
    linkTarget,
  };
  return { entry, identity: identityOf(stat) };
}
