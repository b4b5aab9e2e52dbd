/** Converts the results of `lstat` to entries and identities. */
import type { FileStat } from '../../../base/file-stat.ts';
import { carriedTime } from '../../../manifest/entry-time.ts';
import { type EntryType, type Identity, portableMode, type ScannedEntry } from '../../../manifest/entry.ts';

/** The clock of the kernel's timestamps moves at least a hundred times a second. */
const STEP_MS = 20;
/** FAT stores even seconds only; HFS+, ext3 and some servers of network drives store whole ones. */
const COARSE_STEP_MS = 2000 + STEP_MS;
const NS_PER_MS = 1_000_000n;
const NS_PER_S = 1_000_000_000n;

/** Distinguishes the versions of a file: a change of any of these is another version. */
export function identityOf(stat: FileStat): Identity {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/** Whether two looks at a file found the same version, as {@link identityOf} would tell; it costs less. */
export function isSameVersion(one: FileStat, other: FileStat): boolean {
  if (one.ctimeNs !== other.ctimeNs || one.mtimeNs !== other.mtimeNs || one.size !== other.size) return false;
  return one.ino === other.ino && one.dev === other.dev;
}

/**
 * How long to wait before reading a file, in milliseconds, so that every later write gives it another ctime. Otherwise
 * two reads could have the same identity and bytes of two versions. 0 for most files, and for
 * those with a time in the future, which comes from another clock.
 */
export function unsettledMs({ ctimeNs }: Pick<FileStat, 'ctimeNs'>, nowMs: number): number {
  const stepMs = ctimeNs % NS_PER_S === 0n ? COARSE_STEP_MS : STEP_MS;
  const leftMs = Number(ctimeNs / NS_PER_MS) + stepMs - nowMs;
  return leftMs > 0 && leftMs <= stepMs ? leftMs : 0;
}

/** The entry at `path` from its `lstat`, with the nearest time that a manifest can carry. */
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
