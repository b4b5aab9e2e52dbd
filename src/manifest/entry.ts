/** One file, directory, symbolic link or stream of a tree, as both sides know it. */
import { checkRelativePath } from '../base/safe-path.ts';
import { CairnError } from '../base/errors.ts';
import { carriedTime } from './entry-time.ts';

/**
 * The type of an entry; a `stream` is a file of unknown size until it ends. A `hardlink` is a further name of an earlier
 * file of the same manifest, whose path is its link target; it has no mode, time and metadata of its own.
 */
export type EntryType = 'file' | 'directory' | 'symlink' | 'stream' | 'hardlink';

/**
 * An entry of a manifest. Every entry has every field, so that all have one hidden class. `path` is relative to the
 * target of the transfer; the empty path is the target itself.
 */
export interface Entry {
  readonly type: EntryType;
  readonly path: string;
  /** Size in bytes; 0 for all but files. */
  readonly sizeBytes: number;
  /** Permission bits; 0 for a link, which has none of its own. */
  readonly mode: number;
  /** Time of last modification in nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  /** The target of a symlink, or the path of the file of a hard link; empty for all others. */
  readonly linkTarget: string;
  /** Its part of the metadata that the manifest carries, see `encodeMetadata`; missing where there is none. */
  readonly metadata?: string;
}

/**
 * The identity of a source, which changes when the source does. On a local disk: device, inode, size, mtime and ctime;
 * on an object store: the entity tag. Opaque outside of the store that made it.
 */
export type Identity = string;

/** An entry as a scan found it, with the identity of its bytes. */
export interface ScannedEntry {
  readonly entry: Entry;
  readonly identity: Identity;
  /** Whether its file has other names, where the scan was to look for hard links. */
  readonly hasOtherNames?: boolean;
}

const MAX_LINK_TARGET_BYTES = 4095;

/**
 * The permission bits that cairn carries: nine of a file, twelve of a directory. It leaves out setuid and setgid of
 * files on purpose: no transfer may hand out another user's rights.
 */
export function portableMode(type: EntryType, mode: number): number {
  if (type === 'symlink' || type === 'hardlink') return 0;
  return mode & (type === 'directory' ? 0o7777 : 0o777);
}

/**
 * Checks an entry from the other side and returns it.
 *
 * @throws CairnError `path-unsafe`, `path-too-long`, `path-reserved`, `manifest-invalid`
 */
export function checkEntry(entry: Entry): Entry {
  checkRelativePath(entry.path);
  const { type, sizeBytes, mode, mtimeNs, linkTarget } = entry;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) invalid(entry, 'its size is no count of bytes');
  if (!Number.isInteger(mode) || mode < 0 || mode !== portableMode(type, mode))
    invalid(entry, 'its mode is not portable');
  if (mtimeNs !== carriedTime(mtimeNs)) invalid(entry, 'its mtime is out of range');
  if (type === 'symlink') checkLinkTarget(entry, linkTarget);
  if (type === 'hardlink') checkRelativePath(linkTarget);
  return entry;
}

function checkLinkTarget(entry: Entry, target: string): void {
  if (target === '' || target.includes('\0') || !target.isWellFormed())
    invalid(entry, 'its link target is no path');
  if (Buffer.byteLength(target) > MAX_LINK_TARGET_BYTES) invalid(entry, 'its link target is too long');
}

function invalid(entry: Entry, why: string): never {
  throw new CairnError('manifest-invalid', `entry ${JSON.stringify(entry.path)} is refused: ${why}`);
}
