/** An entry of the published tree, and where its bytes lie. Pure. */
import { createHash } from 'node:crypto';
import type { Entry, Identity, ScannedEntry } from '../../manifest/entry.ts';
import { type MetadataKind, narrowMetadata } from '../../manifest/metadata.ts';

/** A run of bytes of an object, which never changes. */
export interface Extent {
  /** The key of the object. */
  readonly key: string;
  /** Where the run starts in the object, in bytes. */
  readonly from: number;
  readonly lengthBytes: number;
}

/** An entry under its path in the store; never a stream or a hard link. */
export interface TreeEntry {
  readonly entry: Entry;
  /** The bytes of a file, in order. */
  readonly extents: readonly Extent[];
  /** The identity that the entry had before its bytes were copied to other objects; usually missing. */
  readonly identity?: Identity | undefined;
}

/** An entry without bytes, or with them. */
export function treeEntry(entry: Entry, extents: readonly Extent[] = []): TreeEntry {
  return { entry, extents };
}

const IDENTITY_LENGTH = 22;

/**
 * The identity of an entry: equal ones mean equal bytes and attributes, since an object never changes and no key is used
 * twice. It does not depend on the path.
 */
export function identityOf({ entry, extents, identity }: TreeEntry): Identity {
  if (identity !== undefined) return identity;
  const { type, mode, mtimeNs, sizeBytes, linkTarget, metadata = '' } = entry;
  const runs = extents.map(({ key, from, lengthBytes }) => [key, from, lengthBytes]);
  const text = JSON.stringify([type, mode, String(mtimeNs), sizeBytes, linkTarget, metadata, runs]);
  return createHash('sha256').update(text).digest('base64url').slice(0, IDENTITY_LENGTH);
}

/** An entry as a scan tells it, under another path; of its metadata only the kinds that are asked for. */
export function scannedEntry(
  found: TreeEntry,
  {
    path = found.entry.path,
    kinds = [],
  }: { readonly path?: string; readonly kinds?: readonly MetadataKind[] | undefined } = {},
): ScannedEntry {
  const { metadata, ...bare } = found.entry;
  const told = metadata === undefined ? '' : narrowMetadata(metadata, kinds);
  const entry = told === '' ? { ...bare, path } : { ...bare, path, metadata: told };
  return { entry, identity: identityOf(found) };
}

/** Whether a path lies below another one, and is not that one itself. */
export function isBelow(path: string, above: string): boolean {
  return above === '' ? path !== '' : path.length > above.length && path.startsWith(`${above}/`);
}
