/**
 * The optional metadata of an entry: owner, group, extended attributes, access control lists. A manifest of version 2
 * says which kinds it carries; an entry has its part as one canonical text, so that entries compare as texts do.
 */

/** Kinds of metadata that a manifest can carry beside modes and times, in the order of the header. */
export const METADATA_KINDS = ['acls', 'group', 'hard-links', 'names', 'owner', 'sparse', 'xattrs'] as const;
/**
 * One of {@link METADATA_KINDS}. `names` adds the names of users and groups to their numbers. `hard-links` and `sparse`
 * add nothing to an entry: the first makes entries of the type `hardlink`, the second tells the receiver to make holes.
 */
export type MetadataKind = (typeof METADATA_KINDS)[number];

/** What an entry can have that no manifest carries: set-user-id or set-group-id bits of a file, attributes of the system. */
export const UNCARRIED = ['set-id bits', 'system attributes'] as const;
/** One of {@link UNCARRIED}. */
export type Uncarried = (typeof UNCARRIED)[number];
/** How many entries have it, for each that some have. */
export type UncarriedCounts = ReadonlyMap<Uncarried, number>;

/** One line of an access control list: tag, permissions, and for a named user or group its number and its name. */
export type AclLine =
  | readonly [tag: number, permissions: number]
  | readonly [tag: number, permissions: number, id: number]
  | readonly [tag: number, permissions: number, id: number, name: string];

/** The parsed metadata of one entry; a missing member is not carried, or not there. */
export interface EntryMetadata {
  readonly acl?: readonly AclLine[] | undefined;
  /** The list that new entries of a directory inherit. */
  readonly defaultAcl?: readonly AclLine[] | undefined;
  readonly gid?: number | undefined;
  readonly group?: string | undefined;
  readonly uid?: number | undefined;
  readonly user?: string | undefined;
  /** Names and values in base64, in the order of names. */
  readonly xattrs?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** Tags of an access control list (acl(5)); the kernel's numbers. */
export const ACL_TAG = { owner: 1, user: 2, owningGroup: 4, group: 8, mask: 16, others: 32 } as const;

/** Whether `value` names a kind. */
export function isMetadataKind(value: unknown): value is MetadataKind {
  return METADATA_KINDS.some((kind) => kind === value);
}

/** The kinds among `names` that this side knows, each once, in the order of the header. */
export function knownKinds(names: readonly string[]): MetadataKind[] {
  return METADATA_KINDS.filter((kind) => names.includes(kind));
}

/** The canonical text (RFC 8785) of an entry's metadata; empty where there is none. */
export function encodeMetadata(metadata: EntryMetadata): string {
  const { acl, defaultAcl, gid, group, uid, user, xattrs } = metadata;
  // In the order of names; JSON.stringify leaves out what is undefined.
  const text = JSON.stringify({ acl, defaultAcl, gid, group, uid, user, xattrs });
  return text === '{}' ? '' : text;
}

/** Parsed texts; most entries of a tree share a few. */
const parsed = new Map<string, EntryMetadata>();
const MAX_PARSED = 256;
const MAX_PARSED_CHARACTERS = 512;
const NOTHING: EntryMetadata = {};

/** Reads what {@link encodeMetadata} wrote. */
export function parseMetadata(text: string | undefined): EntryMetadata {
  if (text === undefined || text === '') return NOTHING;
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const metadata = JSON.parse(text) as EntryMetadata;
  if (text.length > MAX_PARSED_CHARACTERS) return metadata;
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(text, metadata);
  return metadata;
}

/** Translates names of users and groups of another machine to the numbers of this one. */
export interface LocalIds {
  /** The number of a user here; undefined where no user has the name. */
  uidOf(name: string): number | undefined;
  gidOf(name: string): number | undefined;
}

/** The metadata text that an entry has on this machine: names become numbers, where they are known here. */
export function localMetadata(text: string | undefined, ids: LocalIds): string {
  const metadata = parseMetadata(text);
  if (metadata === NOTHING) return '';
  const { acl, defaultAcl, uid, user, gid, group, xattrs } = metadata;
  const localAcl = (lines: readonly AclLine[] | undefined): AclLine[] | undefined =>
    lines?.map((line) => localLine(line, ids)).toSorted(compareAclLines);
  return encodeMetadata({
    acl: localAcl(acl),
    defaultAcl: localAcl(defaultAcl),
    gid: (group === undefined ? undefined : ids.gidOf(group)) ?? gid,
    uid: (user === undefined ? undefined : ids.uidOf(user)) ?? uid,
    xattrs,
  });
}

function localLine([tag, permissions, id, name]: AclLine, ids: LocalIds): AclLine {
  if (id === undefined) return [tag, permissions];
  const known = name === undefined ? undefined : tag === ACL_TAG.user ? ids.uidOf(name) : ids.gidOf(name);
  return [tag, permissions, known ?? id];
}

/** The order of a list: by tag, then by number. */
export function compareAclLines(one: AclLine, other: AclLine): number {
  return one[0] - other[0] || (one[2] ?? 0) - (other[2] ?? 0);
}

/** The text without the members of kinds that are not carried. */
export function narrowMetadata(text: string | undefined, kinds: readonly MetadataKind[]): string {
  const { acl, defaultAcl, gid, group, uid, user, xattrs } = parseMetadata(text);
  const has = (kind: MetadataKind): boolean => kinds.includes(kind);
  const unnamed = (lines: readonly AclLine[] | undefined): readonly AclLine[] | undefined =>
    has('names') ? lines : lines?.map((line) => line.slice(0, 3) as unknown as AclLine);
  return encodeMetadata({
    ...(has('acls') ? { acl: unnamed(acl), defaultAcl: unnamed(defaultAcl) } : {}),
    ...(has('group') ? { gid, ...(has('names') ? { group } : {}) } : {}),
    ...(has('owner') ? { uid, ...(has('names') ? { user } : {}) } : {}),
    ...(has('xattrs') ? { xattrs } : {}),
  });
}
