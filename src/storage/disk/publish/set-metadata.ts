/** Gives entries their optional metadata: owner and group, extended attributes, access control lists. */
import { chownSync, fchownSync, lchownSync } from 'node:fs';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import type { Native } from '../../../base/native.ts';
import type { XattrFile, Xattrs } from '../../../base/xattrs.ts';
import type { Entry } from '../../../manifest/entry.ts';
import {
  type AclLine,
  type EntryMetadata,
  localMetadata,
  type LocalIds,
  type MetadataKind,
  parseMetadata,
} from '../../../manifest/metadata.ts';
import { UnkeptMetadata } from '../../../transfer/unkept-metadata.ts';
import { ACL_XATTR, encodeAcl } from '../tree/posix-acl.ts';
import { USER_XATTR } from '../tree/read-metadata.ts';

/** Sets the metadata of the entries of one transfer. */
export interface MetadataSetter {
  /**
   * Gives an entry the metadata of its manifest; call it before the mode is set, since a new owner or list changes that.
   * What cannot be kept is noted. A path is that of a symbolic link, or leads to an open directory.
   *
   * @throws system errors that concern more than one entry
   */
  set(entryIndex: number, entry: Entry, file: XattrFile): void;
  /** Whether a staged file of an interrupted run may have this owner. */
  mayOwn(entry: Entry, uid: number): boolean;
  readonly unkept: UnkeptMetadata;
}

/** What a {@link MetadataSetter} is made of. */
export interface SetterOptions {
  /** The kinds that the manifest carries, and those of them that may be set. */
  readonly carried: readonly MetadataKind[];
  readonly allowed: readonly MetadataKind[];
  readonly native: Native | undefined;
  readonly ids: LocalIds;
  /** Whether the target itself keeps its metadata, as it keeps its mode. */
  readonly keepsTarget: boolean;
}

/** Reasons why a file system or its rules do not take something; ENOSPC also means that one file has no room for more. */
const UNKEPT = new Set(
  'EPERM EACCES EROFS ENOTSUP EOPNOTSUPP ENOSYS EINVAL EOVERFLOW ENOSPC EDQUOT E2BIG ERANGE EBADF'.split(' '),
);
const KEEP = -1;

/** Makes the setter of one transfer; undefined where its manifest carries nothing to set. */
export function createMetadataSetter(options: SetterOptions): MetadataSetter | undefined {
  const { carried, allowed, native, ids, keepsTarget } = options;
  if (carried.length === 0) return undefined;
  const unkept = new UnkeptMetadata();
  const local = (entry: Entry): EntryMetadata => parseMetadata(localMetadata(entry.metadata, ids));
  return {
    unkept,
    mayOwn: (entry, uid) => local(entry).uid === uid,
    set: (entryIndex, entry, file) => {
      if (keepsTarget && isTarget(entry)) return;
      const metadata = local(entry);
      const attempt = (kind: MetadataKind, isWanted: boolean, work: () => void): boolean => {
        if (!carried.includes(kind)) return true;
        try {
          if (isWanted && !allowed.includes(kind)) throw notAllowed(kind);
          if (allowed.includes(kind)) work();
          return true;
        } catch (error) {
          if (!(error instanceof CairnError) && !UNKEPT.has(systemCodeOf(error) ?? '')) throw error;
          unkept.note(kind, entryIndex, error);
          return false;
        }
      };
      const { uid = KEEP, gid = KEEP, acl, defaultAcl, xattrs } = metadata;
      attempt('owner', uid !== KEEP, () => changeOwner(file, entry, uid, KEEP));
      attempt('group', gid !== KEEP, () => changeOwner(file, entry, KEEP, gid));
      if (entry.type === 'symlink') return;
      attempt('xattrs', xattrs !== undefined, () => setXattrs(callsOf(native), file, xattrs ?? []));
      attempt('acls', acl !== undefined || defaultAcl !== undefined, () => {
        setAcl(callsOf(native), file, ACL_XATTR.access, acl);
        if (entry.type === 'directory') setAcl(callsOf(native), file, ACL_XATTR.default, defaultAcl);
      });
    },
  };
}

/** Whether an entry is the directory that the transfer goes into. */
function isTarget({ path, type }: Entry): boolean {
  return path === '' && type === 'directory';
}

function changeOwner(file: XattrFile, { type }: Entry, uid: number, gid: number): void {
  if (typeof file === 'number') fchownSync(file, uid, gid);
  else if (type === 'symlink') lchownSync(file, uid, gid);
  else chownSync(file, uid, gid);
}

/** Sets the attributes of users, and removes others of them; those of the system stay as they are. */
function setXattrs(calls: Xattrs, file: XattrFile, wanted: NonNullable<EntryMetadata['xattrs']>): void {
  const names = new Set(wanted.map(([name]) => name));
  for (const name of calls.list(file))
    if (name.startsWith(USER_XATTR) && !names.has(name)) calls.remove(file, name);
  for (const [name, value] of wanted) calls.set(file, name, Buffer.from(value, 'base64'));
}

function setAcl(
  calls: Xattrs,
  file: XattrFile,
  name: (typeof ACL_XATTR)[keyof typeof ACL_XATTR],
  lines: readonly AclLine[] | undefined,
): void {
  if (lines === undefined) calls.remove(file, name);
  else calls.set(file, name, encodeAcl(lines));
}

function callsOf(native: Native | undefined): Xattrs {
  if (native !== undefined) return native.xattrs;
  throw new CairnError('storage-unsupported', 'this machine has no calls for extended attributes');
}

function notAllowed(kind: MetadataKind): CairnError {
  return new CairnError('storage-denied', `the server no longer sets the ${kind} of entries`);
}
