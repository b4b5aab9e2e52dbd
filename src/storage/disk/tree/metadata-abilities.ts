/** Which metadata this process can read of the entries of a disk, and set. */
import type { Native } from '../../../base/native.ts';
import { changesOwners } from '../../../base/process-rights.ts';
import { cachedUsers } from '../../../base/user-database.ts';
import { METADATA_KINDS, type LocalIds, type MetadataKind } from '../../../manifest/metadata.ts';
import type { MetadataAbilities } from '../../../transfer/entry-lookup.ts';

/** Kinds that need calls which Node lacks. */
const NATIVE_KINDS: readonly MetadataKind[] = ['acls', 'names', 'xattrs'];

/** The kinds that can be read here, of those that are wanted. */
export function tellableKinds(
  wanted: readonly MetadataKind[],
  native: Native | undefined,
): readonly MetadataKind[] {
  return native === undefined ? wanted.filter((kind) => !NATIVE_KINDS.includes(kind)) : wanted;
}

/** The abilities of this process. Only root, or a process with CAP_CHOWN, gives files to other users. */
export function metadataAbilities(native: Native | undefined): MetadataAbilities {
  const tells = tellableKinds(METADATA_KINDS, native);
  const holes = (kind: MetadataKind): boolean => kind !== 'sparse' || native !== undefined;
  const keeps = tells.filter((kind) => holes(kind) && (kind !== 'owner' || changesOwners()));
  return { tells, keeps, ids: localIds(native) };
}

/** The numbers of names on this machine, with a cache. */
export function localIds(native: Native | undefined): LocalIds {
  return native === undefined
    ? { uidOf: () => undefined, gidOf: () => undefined }
    : cachedUsers(native.users);
}
