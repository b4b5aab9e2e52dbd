/** Checks the metadata of an entry that came from the other side. */
import { type AclLine, ACL_TAG, encodeMetadata, type EntryMetadata, type MetadataKind } from './metadata.ts';
import type { EntryType } from './entry.ts';

/** Most characters of the metadata of one entry: all that Linux can keep of the values of one file, in base64. */
const MAX_CHARACTERS = 512 * 1024;
/** The number 4,294,967,295 means "leave it as it is" in chown(2). */
const MAX_ID = 2 ** 32 - 2;
const MAX_NAME_CHARACTERS = 256;
const MAX_ACL_LINES = 1024;
const MAX_XATTRS = 1024;
/** Limits of Linux (xattr(7)), in bytes. */
const XATTR_BYTES = { name: 255, value: 64 * 1024 } as const;
const USER_XATTR = 'user.';
const TAGS: readonly number[] = Object.values(ACL_TAG);
const MEMBERS = new Set(['acl', 'defaultAcl', 'gid', 'group', 'uid', 'user', 'xattrs']);

/** Thrown text is the reason, as the end of a sentence about the entry. */
type Refuse = (why: string) => never;

/**
 * Returns the canonical text of `value`, the last member of the line of an entry.
 *
 * @param kinds those that the manifest carries: nothing else may be there
 * @param refuse throws for what is wrong
 */
export function checkMetadata(
  value: unknown,
  type: EntryType,
  kinds: readonly MetadataKind[],
  refuse: Refuse,
): string {
  if (value === undefined && !isRequired(kinds)) return '';
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('its metadata is no object');
  if (Object.keys(value).some((name) => !MEMBERS.has(name))) refuse('its metadata has an unknown member');
  const metadata = value as EntryMetadata;
  checkOwners(metadata, kinds, refuse);
  const { acl, defaultAcl, xattrs } = metadata;
  if (acl !== undefined || defaultAcl !== undefined) {
    if (!kinds.includes('acls') || type === 'symlink') refuse('it may have no access control list');
    if (defaultAcl !== undefined && type !== 'directory') refuse('only a directory has a default list');
    for (const lines of [acl, defaultAcl]) if (lines !== undefined) checkAcl(lines, kinds, refuse);
  }
  if (xattrs !== undefined) {
    if (!kinds.includes('xattrs') || type === 'symlink') refuse('it may have no extended attributes');
    checkXattrs(xattrs, refuse);
  }
  const text = encodeMetadata(metadata);
  if (text === '') return refuse('its metadata is empty');
  if (text.length > MAX_CHARACTERS) refuse('its metadata is too large');
  return text;
}

/** Whether every entry has to have metadata. */
export function isRequired(kinds: readonly MetadataKind[]): boolean {
  return kinds.includes('owner') || kinds.includes('group');
}

function checkOwners(
  { uid, user, gid, group }: EntryMetadata,
  kinds: readonly MetadataKind[],
  refuse: Refuse,
): void {
  for (const [id, name, kind] of [
    [uid, user, 'owner'],
    [gid, group, 'group'],
  ] as const) {
    if ((id !== undefined) !== kinds.includes(kind)) refuse(`its ${kind} is missing, or was not announced`);
    if (id !== undefined && !isId(id)) refuse(`its ${kind} is no number of one`);
    if (name === undefined) continue;
    if (id === undefined || !kinds.includes('names')) refuse(`the name of its ${kind} was not announced`);
    if (!isName(name)) refuse(`the name of its ${kind} is none`);
  }
}

function checkAcl(lines: readonly AclLine[], kinds: readonly MetadataKind[], refuse: Refuse): void {
  if (!Array.isArray(lines) || lines.length === 0 || lines.length > MAX_ACL_LINES)
    refuse('its access control list is none');
  for (const line of lines) {
    if (!Array.isArray(line)) refuse('a line of its access control list is none');
    const [tag, permissions, id, name] = line;
    const isNamed = tag === ACL_TAG.user || tag === ACL_TAG.group;
    const isRight =
      TAGS.includes(tag) &&
      Number.isInteger(permissions) &&
      permissions >= 0 &&
      permissions <= 7 &&
      (isNamed ? isId(id) : id === undefined) &&
      (name === undefined || (kinds.includes('names') && isName(name))) &&
      line.length === (name !== undefined ? 4 : isNamed ? 3 : 2);
    if (!isRight) refuse('a line of its access control list is none');
  }
}

function checkXattrs(xattrs: NonNullable<EntryMetadata['xattrs']>, refuse: Refuse): void {
  if (!Array.isArray(xattrs) || xattrs.length === 0 || xattrs.length > MAX_XATTRS)
    refuse('its extended attributes are none, or too many');
  let last = '';
  for (const pair of xattrs) {
    if (!Array.isArray(pair) || pair.length !== 2) refuse('an extended attribute is none');
    const [name, value] = pair as readonly unknown[];
    if (typeof name !== 'string' || !isXattrName(name))
      return refuse('the name of an extended attribute is none');
    if (name <= last) refuse('its extended attributes are not in order');
    if (typeof value !== 'string' || !isBase64(value))
      refuse('the value of an extended attribute is no base64');
    last = name;
  }
}

/** Only the space of users: the others give rights, or belong to the system. */
function isXattrName(name: string): boolean {
  return (
    name.startsWith(USER_XATTR) &&
    name.length > USER_XATTR.length &&
    !name.includes('\0') &&
    name.isWellFormed() &&
    Buffer.byteLength(name) <= XATTR_BYTES.name
  );
}

function isBase64(text: string): boolean {
  const bytes = Buffer.from(text, 'base64');
  return bytes.byteLength <= XATTR_BYTES.value && bytes.toString('base64') === text;
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_ID;
}

function isName(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= MAX_NAME_CHARACTERS &&
    value.isWellFormed() &&
    !/[\0\n:]/.test(value)
  );
}
