/** What of a source's identity may change while its bytes stay. Pure. */
import type { Identity } from './entry.ts';

/** device:inode:size:mtime:ctime */
const OF_FILE = /^\d+:\d+:(\d+:-?\d+):-?\d+$/;

/**
 * Whether only device, inode or ctime differ, as after a remount, a new hard link or a chmod: the bytes may well be the
 * same. That is a guess, which reading them again has to prove. False for the identities of other stores than a disk.
 */
export function mayHaveSameBytes(one: Identity, other: Identity): boolean {
  const sizeAndTime = OF_FILE.exec(one)?.[1];
  return sizeAndTime !== undefined && sizeAndTime === OF_FILE.exec(other)?.[1];
}
