/** Access control lists as Linux keeps them in extended attributes (`linux/posix_acl_xattr.h`): little-endian. */
import type { UserDatabase } from '../../../base/user-database.ts';
import { ACL_TAG, type AclLine, compareAclLines } from '../../../manifest/metadata.ts';

/** The attributes that hold the lists. */
export const ACL_XATTR = { access: 'system.posix_acl_access', default: 'system.posix_acl_default' } as const;

const VERSION = 2;
const HEADER_BYTES = 4;
const LINE_BYTES = 8;
/** The number in lines without one. */
const NO_ID = 0xffff_ffff;

/** The lines of a list, with names where `users` knows them; undefined for a form that is unknown. */
export function decodeAcl(
  bytes: Buffer,
  users?: Pick<UserDatabase, 'userName' | 'groupName'>,
): AclLine[] | undefined {
  if (bytes.byteLength < HEADER_BYTES || bytes.readUInt32LE(0) !== VERSION) return undefined;
  const lines: AclLine[] = [];
  for (let at = HEADER_BYTES; at + LINE_BYTES <= bytes.byteLength; at += LINE_BYTES) {
    const tag = bytes.readUInt16LE(at);
    const permissions = bytes.readUInt16LE(at + 2);
    const id = bytes.readUInt32LE(at + 4);
    if (tag !== ACL_TAG.user && tag !== ACL_TAG.group) {
      lines.push([tag, permissions]);
      continue;
    }
    const name = tag === ACL_TAG.user ? users?.userName(id) : users?.groupName(id);
    lines.push(name === undefined ? [tag, permissions, id] : [tag, permissions, id, name]);
  }
  return lines.length === 0 ? undefined : lines.toSorted(compareAclLines);
}

/** The bytes of a list whose names have become numbers. */
export function encodeAcl(lines: readonly AclLine[]): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + lines.length * LINE_BYTES);
  bytes.writeUInt32LE(VERSION, 0);
  for (const [index, [tag, permissions, id = NO_ID]] of lines.entries()) {
    const at = HEADER_BYTES + index * LINE_BYTES;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(permissions, at + 2);
    bytes.writeUInt32LE(id, at + 4);
  }
  return bytes;
}
