/** Compares identities of sources whose bytes may be the same. Pure. */
import type { Identity } from './entry.ts';

/** device:inode:size:mtime:ctime */
const OF_FILE = /^\d+:\d+:(\d+:-?\d+):-?\d+$/;

/**
 * Whether only device, inode or ctime differ, as after a remount, a new hard link or a chmod. Then the bytes may be the
 * same: a guess that the caller has to prove by reading them again. False for identities of stores other than a disk.
 */
export function mayHaveSameBytes(one: Identity, other: Identity): boolean {
  const sizeAndTime = OF_FILE.exec(one)?.[1];
  return sizeAndTime !== undefined && sizeAndTime === OF_FILE.exec(other)?.[1];
}

/** The device and inode of a file; all names of a file have the same. The whole identity in stores other than a disk. */
export function inodeOf(identity: Identity): string {
  return OF_FILE.test(identity) ? identity.split(':', 2).join(':') : identity;
}
