/**
 * A content store over objects: chunks are staged as immutable objects and stay as the content of files; the entries are
 * a tree of immutable objects below one root. Any number of nodes may have it open over the same objects; every change
 * appears at once.
 */
import { posix } from 'node:path';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { Identity, ScannedEntry } from '../../manifest/entry.ts';
import { CHUNK_SIZE_RANGE } from '../../manifest/manifest.ts';
import { METADATA_KINDS, type MetadataKind } from '../../manifest/metadata.ts';
import { AS_SENT } from '../../manifest/modes.ts';
import { isOfOneEntry, type RefusalSink } from '../../transfer/refused-entries.ts';
import type { ContentStore, ScanWishes } from '../content-store.ts';
import type { MetadataAbilities } from '../../transfer/entry-lookup.ts';
import { identityOf, scannedEntry, type TreeEntry } from '../entry-tree/tree-entry.ts';
import type { TreeReader } from '../entry-tree/tree-reader.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { createObjectCollector } from './collect-objects.ts';
import { makeDirectoryEntry, moveEntries, removeEntries } from './content-changes.ts';
import { listStagingAreas, openStagingArea } from './object-staging.ts';
import { openPublishedTree, type PublishedTree } from './published-tree.ts';
import { createExtentReader, type ReadExtents } from './read-extents.ts';
import { findEntry, findObstacle, refuseObstacle } from './tree-paths.ts';

const SCAN_BATCH_ENTRIES = 1000;
/** How old the known root may be when bytes of a known identity are read: they never change. */
const KNOWN_ROOT_MS = 1000;

/** Options of {@link createObjectContent}. */
export interface ObjectContentOptions {
  /**
   * The smallest chunk, but for last and packed ones: a store may handle few large objects better than many small ones.
   */
  readonly minChunkSizeBytes?: number;
  /** How long an object stays that no entry needs any more, since a reader may still use it; by the store's clock. */
  readonly keepUnusedMs?: number;
  /** Whether it tells and keeps metadata beside modes and times, with names of owners as they are: for copies of a store. */
  readonly keepsMetadata?: boolean;
}

const KEEP_UNUSED_MS = 3_600_000;
/** Users and groups of the machines of nodes mean nothing here. */
const NO_IDS: MetadataAbilities['ids'] = { uidOf: () => undefined, gidOf: () => undefined };
/** Holes are no part of a file here, and hard links are files of their own. */
const KEPT_KINDS = METADATA_KINDS.filter((kind) => kind !== 'hard-links' && kind !== 'sparse');
const ALL_METADATA: MetadataAbilities = { tells: [...KEPT_KINDS, 'sparse'], keeps: KEPT_KINDS, ids: NO_IDS };

/** A content store over `objects`, which it does not close. A chunk lies in memory until it is whole. */
export function createObjectContent(
  objects: ObjectStore,
  {
    minChunkSizeBytes = CHUNK_SIZE_RANGE.min,
    keepUnusedMs = KEEP_UNUSED_MS,
    keepsMetadata = false,
  }: ObjectContentOptions = {},
): ContentStore {
  const tree = openPublishedTree(objects);
  const readExtents = createExtentReader(objects);
  const properties: ContentStore['properties'] = {
    chunkSizeBytes: { min: minChunkSizeBytes, max: CHUNK_SIZE_RANGE.max },
    holdsPartialChunks: false,
    durability: 'immediate',
    assembles: false,
    mtimeResolutionNs: 1n,
    modes: AS_SENT,
    ...(keepsMetadata ? { metadata: ALL_METADATA } : {}),
  };
  return {
    properties,
    scan: (path, wishes) => scan(tree, path, wishes),
    lookup: async (paths, onRefused, kinds) =>
      lookup(tree.view(await tree.root()), paths, { onRefused, kinds }),
    atOneMoment: async () => {
      const view = tree.view(await tree.root());
      return {
        properties,
        lookup: (paths, onRefused, kinds) => lookup(view, paths, { onRefused, kinds }),
      };
    },
    read: (path, range, identity) => read(tree, readExtents, path, range, identity),
    makeDirectory: (path, how) => makeDirectoryEntry(tree, path, how),
    remove: (path, how) => removeEntries(tree, path, how),
    move: (from, to, how) => moveEntries(tree, from, to, how),
    openStaging: (id) => openStagingArea(tree, id, minChunkSizeBytes),
    listStaging: () => listStagingAreas(objects),
    collect: createObjectCollector(tree, keepUnusedMs),
    settle: async () => true,
    space: async () => undefined,
    close: async () => {},
  };
}

async function* scan(
  tree: PublishedTree,
  path: string,
  { depth, metadata }: Pick<ScanWishes, 'depth' | 'metadata'>,
): AsyncGenerator<ScannedEntry[]> {
  const view = tree.view(await tree.root());
  await refuseObstacle(view, path);
  const top = await findEntry(view, path);
  if (top === undefined) throw new CairnError('not-found', `there is nothing at "${printable(path)}"`);
  const below = path === '' ? 0 : path.length + 1;
  const relative = (found: TreeEntry): ScannedEntry =>
    scannedEntry(found, { path: found.entry.path.slice(below), kinds: metadata });
  let batch = [relative(top)];
  for await (const each of depth === 1 ? view.childrenOf(path) : view.below(path)) {
    batch.push(relative(each));
    if (batch.length < SCAN_BATCH_ENTRIES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function lookup(
  view: TreeReader,
  paths: readonly string[],
  {
    onRefused,
    kinds,
  }: { readonly onRefused: RefusalSink | undefined; readonly kinds: readonly MetadataKind[] | undefined },
): Promise<(ScannedEntry | undefined)[]> {
  const found: (ScannedEntry | undefined)[] = [];
  // Paths that are looked up together are often of one directory.
  let reachable: string | undefined;
  for (const [index, path] of paths.entries()) {
    try {
      const parent = posix.dirname(path);
      const isReachable = parent === reachable || (await findObstacle(view, path)) === undefined;
      if (isReachable) reachable = parent;
      const there = isReachable ? await findEntry(view, path) : undefined;
      found.push(there === undefined ? undefined : scannedEntry(there, { kinds }));
    } catch (error) {
      if (onRefused === undefined || !isOfOneEntry(error)) throw error;
      onRefused(index, error);
      found.push(undefined);
    }
  }
  return found;
}

async function* read(
  tree: PublishedTree,
  readExtents: ReadExtents,
  path: string,
  range: { readonly from: number; readonly to: number },
  identity: Identity | undefined,
): AsyncGenerator<Uint8Array> {
  const shown = `"${printable(path)}"`;
  const changed = (): CairnError =>
    new CairnError('source-changed', `${shown} changed while it was being read`);
  const maxAgeMs = identity === undefined ? undefined : KNOWN_ROOT_MS;
  const root = await tree.root(maxAgeMs);
  const view = tree.view(root);
  await findObstacle(view, path);
  const there = await findEntry(view, path);
  if (there === undefined) throw new CairnError('source-missing', `${shown} is not there`);
  const { type, sizeBytes } = there.entry;
  if (type !== 'file') throw new CairnError('source-unreadable', `${shown} is a ${type}, not a file`);
  const known = identityOf(there);
  if (range.to > sizeBytes || (identity !== undefined && known !== identity)) throw changed();
  const isStill = async (age: number | undefined): Promise<boolean> => {
    const after = await tree.root(age);
    if (after.generation === root.generation) return true;
    const again = await findEntry(tree.view(after), path);
    return again !== undefined && identityOf(again) === known;
  };
  for await (const piece of readExtents(there.extents, range)) {
    if (piece !== undefined) yield piece;
    else if (await isStill(undefined)) throw lost(shown);
    else throw changed();
  }
  if (!(await isStill(maxAgeMs))) throw changed();
}

function lost(shown: string): CairnError {
  return new CairnError('storage-io', `bytes of ${shown} are gone from the store; push the file again`);
}
