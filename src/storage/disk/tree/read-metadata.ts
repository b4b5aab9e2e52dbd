/** Reads the optional metadata of entries: owner and group, extended attributes, access control lists. */
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import type { FileStat } from '../../../base/file-stat.ts';
import type { Native } from '../../../base/native.ts';
import { cachedUsers } from '../../../base/user-database.ts';
import type { Xattrs } from '../../../base/xattrs.ts';
import type { EntryType, ScannedEntry } from '../../../manifest/entry.ts';
import { checkMetadata } from '../../../manifest/metadata-check.ts';
import {
  encodeMetadata,
  type EntryMetadata,
  type MetadataKind,
  type Uncarried,
} from '../../../manifest/metadata.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import { tellableKinds } from './metadata-abilities.ts';
import { ACL_XATTR, decodeAcl } from './posix-acl.ts';

/** The attributes that users may set (xattr(7)). */
export const USER_XATTR = 'user.';

const SET_ID_BITS = 0o6000;
/** Labels of SELinux are no loss: every machine gives its own. */
const SYSTEM_XATTR = /^(?:security\.(?!selinux$)|trusted\.)/;

/**
 * Adds the metadata to an entry that was just found. `pathOf` makes a path to it, which is used at once; `onUnreadable`
 * is called where its attributes cannot be read.
 */
export type AddMetadata = (
  found: ScannedEntry,
  stat: FileStat,
  pathOf: () => string,
  onUnreadable?: (error: unknown) => void,
) => ScannedEntry;

/**
 * Makes what adds metadata of the wanted kinds; undefined where nothing is wanted. `onUncarried` is told of each entry that
 * has something which is not carried: system attributes where attributes are wanted.
 */
export function createAddMetadata(
  wanted: readonly MetadataKind[] | undefined,
  native: Native | undefined,
  onUncarried: (what: Uncarried) => void = () => {},
): AddMetadata | undefined {
  const kinds = tellableKinds(wanted ?? [], native);
  if (kinds.length === 0) return undefined;
  const has = (kind: MetadataKind): boolean => kinds.includes(kind);
  const users = native !== undefined && has('names') ? cachedUsers(native.users) : undefined;
  const ofAttributes = kinds.filter((kind) => kind !== 'owner' && kind !== 'group');
  const [owner, group, links] = [has('owner'), has('group'), has('hard-links')];
  return (found, stat, pathOf, onUnreadable) => {
    const { type } = found.entry;
    const uid = Number(stat.uid);
    const gid = Number(stat.gid);
    if (type === 'file' && (Number(stat.mode) & SET_ID_BITS) !== 0) onUncarried('set-id bits');
    const metadata = encodeMetadata({
      ...(native === undefined || type === 'symlink'
        ? {}
        : attributesOf(native.xattrs, pathOf, type, onUnreadable)),
      ...(group ? { gid, group: users?.groupName(gid) } : {}),
      ...(owner ? { uid, user: users?.userName(uid) } : {}),
    });
    const entry = metadata === '' ? found.entry : { ...found.entry, metadata };
    return links && stat.nlink > 1n && type === 'file'
      ? { ...found, entry, hasOtherNames: true }
      : { ...found, entry };
  };

  function attributesOf(
    xattrs: Xattrs,
    pathOf: () => string,
    type: EntryType,
    onUnreadable?: (error: unknown) => void,
  ): EntryMetadata {
    if (!has('acls') && !has('xattrs')) return {};
    try {
      const attributes = readAttributes(xattrs, pathOf(), type);
      if (encodeMetadata(attributes) !== '') checkMetadata(attributes, type, ofAttributes, tooMuch);
      return attributes;
    } catch (error) {
      if (systemCodeOf(error) === undefined && !isOfOneEntry(error)) throw error;
      onUnreadable?.(error);
      return {};
    }
  }

  function readAttributes(xattrs: Xattrs, path: string, type: EntryType): EntryMetadata {
    const names = xattrs.list(path);
    if (has('xattrs') && names.some((name) => SYSTEM_XATTR.test(name))) onUncarried('system attributes');
    const aclOf = (name: string): EntryMetadata['acl'] => {
      const value = names.includes(name) ? xattrs.get(path, name) : undefined;
      return value === undefined ? undefined : decodeAcl(value, users);
    };
    return {
      ...(has('xattrs') ? { xattrs: userXattrs(xattrs, path, names) } : {}),
      ...(has('acls') ? { acl: aclOf(ACL_XATTR.access) } : {}),
      ...(has('acls') && type === 'directory' ? { defaultAcl: aclOf(ACL_XATTR.default) } : {}),
    };
  }
}

/** More than a manifest takes must not keep all other entries from their way. */
function tooMuch(why: string): never {
  throw new CairnError('storage-unsupported', why);
}

function userXattrs(xattrs: Xattrs, path: string, names: readonly string[]): EntryMetadata['xattrs'] {
  const found: [string, string][] = [];
  for (const name of names) {
    const value = name.startsWith(USER_XATTR) ? xattrs.get(path, name) : undefined;
    if (value !== undefined) found.push([name, value.toString('base64')]);
  }
  // By code units, as a reader checks it.
  return found.length === 0 ? undefined : found.toSorted(([one], [other]) => (one < other ? -1 : 1));
}
