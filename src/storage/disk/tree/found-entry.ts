/** What `lstat` says, as entries and identities. */
import type { FileStat } from '../../../base/file-stat.ts';
import { carriedTime } from '../../../manifest/entry-time.ts';
import { type EntryType, type Identity, portableMode, type ScannedEntry } from '../../../manifest/entry.ts';

/** The kernel stamps files by a clock that moves a hundred times a second, or more often. */
const STEP_MS = 20;
/** FAT keeps every other second; HFS+, ext3 and some servers of network drives keep whole ones. */
const COARSE_STEP_MS = 2000 + STEP_MS;
const NS_PER_MS = 1_000_000n;
const NS_PER_S = 1_000_000_000n;

/** What tells one version of a file from the next: a change of any of these is another version. */
export function identityOf(stat: FileStat): Identity {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/**
 * How long a file has to be left alone before it is read, in milliseconds, so that whatever is written into it from then on
 * gives it another ctime. Else two reads could have the same identity and bytes of two versions. 0 for most files, and for
 * those from the future, whose clock is another one.
 */
export function unsettledMs({ ctimeNs }: Pick<FileStat, 'ctimeNs'>, nowMs: number): number {
  const stepMs = ctimeNs % NS_PER_S === 0n ? COARSE_STEP_MS : STEP_MS;
  const leftMs = Number(ctimeNs / NS_PER_MS) + stepMs - nowMs;
  return leftMs > 0 && leftMs <= stepMs ? leftMs : 0;
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
