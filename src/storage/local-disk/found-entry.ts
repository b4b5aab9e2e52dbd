/** What `lstat` says, as entries and identities. */
import type { BigIntStats } from 'node:fs';
import { type EntryType, type Identity, portableMode, type ScannedEntry } from '../../manifest/entry.ts';

/** Kinds that cairn does not carry. */
export type SpecialKind = 'FIFO' | 'socket' | 'device';

const MTIME_LIMIT_NS = 2n ** 63n;

/** What tells one version of a file from the next: a change of any of these is another version. */
export function identityOf(stat: BigIntStats): Identity {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/** The type of what `lstat` found, or the name of a kind that cairn does not carry. */
export function typeOf(stat: BigIntStats): Exclude<EntryType, 'stream'> | SpecialKind {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'FIFO';
  return stat.isSocket() ? 'socket' : 'device';
}

/** Whether size and mtime fit an entry; file systems can hold stranger ones. */
export function isRepresentable(stat: BigIntStats): boolean {
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
  stat: BigIntStats,
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
