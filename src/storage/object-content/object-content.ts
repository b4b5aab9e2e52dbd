/**
 * A content store over objects: it stages chunks as immutable objects, and publishes every entry whole as one. Any
 * number of nodes may have it open over the same objects; each entry changes at once, a tree entry by entry.
 */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { Identity, ScannedEntry } from '../../manifest/entry.ts';
import { CHUNK_SIZE_RANGE } from '../../manifest/manifest.ts';
import { AS_SENT } from '../../manifest/modes.ts';
import { isOfOneEntry, type RefusalSink } from '../../transfer/refused-entries.ts';
import type { ContentStore } from '../content-store.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { makeDirectoryObject, moveEntries, removeEntries } from './content-changes.ts';
import {
  childrenOf,
  entriesBelow,
  findEntry,
  findObstacle,
  refuseObstacle,
  type KeptEntry,
} from './entry-objects.ts';
import { listStagingAreas, openStagingArea } from './object-staging.ts';

const SCAN_BATCH_ENTRIES = 1000;

/** Options of {@link createObjectContent}. */
export interface ObjectContentOptions {
  /**
   * The smallest chunk, but for last and packed ones: a store may handle few large objects better than many small ones.
   */
  readonly minChunkSizeBytes?: number;
}

/** A content store over `objects`, which it does not close. A chunk lies in memory until it is whole. */
export function createObjectContent(
  objects: ObjectStore,
  { minChunkSizeBytes = CHUNK_SIZE_RANGE.min }: ObjectContentOptions = {},
): ContentStore {
  return {
    properties: {
      chunkSizeBytes: { min: minChunkSizeBytes, max: CHUNK_SIZE_RANGE.max },
      holdsPartialChunks: false,
      durability: 'immediate',
      assembles: false,
      mtimeResolutionNs: 1n,
      modes: AS_SENT,
    },
    scan: (path, { depth }) => scan(objects, path, depth),
    lookup: (paths, onRefused) => lookup(objects, paths, onRefused),
    read: (path, range, identity) => read(objects, path, range, identity),
    makeDirectory: (path, how) => makeDirectoryObject(objects, path, how),
    remove: (path, how) => removeEntries(objects, path, how),
    move: (from, to, how) => moveEntries(objects, from, to, how),
    openStaging: (id) => openStagingArea(objects, id, minChunkSizeBytes),
    listStaging: () => listStagingAreas(objects),
    settle: async () => true,
    space: async () => undefined,
    close: async () => {},
  };
}

async function* scan(
  objects: ObjectStore,
  path: string,
  depth: 1 | undefined,
): AsyncGenerator<ScannedEntry[]> {
  await refuseObstacle(objects, path);
  const top = await findEntry(objects, path);
  if (top === undefined) throw new CairnError('not-found', `there is nothing at "${printable(path)}"`);
  const below = path === '' ? 0 : path.length + 1;
  const relative = ({ entry, identity }: KeptEntry): ScannedEntry => ({
    entry: { ...entry, path: entry.path.slice(below) },
    identity,
  });
  let batch = [relative(top)];
  const rest = depth === 1 ? await childrenOf(objects, path) : entriesBelow(objects, path);
  for await (const each of rest) {
    batch.push(relative(each));
    if (batch.length < SCAN_BATCH_ENTRIES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function lookup(
  objects: ObjectStore,
  paths: readonly string[],
  onRefused: RefusalSink | undefined,
): Promise<(ScannedEntry | undefined)[]> {
  const found: (ScannedEntry | undefined)[] = [];
  for (const [index, path] of paths.entries()) {
    try {
      const isReachable = (await findObstacle(objects, path)) === undefined;
      const kept = isReachable ? await findEntry(objects, path) : undefined;
      found.push(kept === undefined ? undefined : { entry: kept.entry, identity: kept.identity });
    } catch (error) {
      if (onRefused === undefined || !isOfOneEntry(error)) throw error;
      onRefused(index, error);
      found.push(undefined);
    }
  }
  return found;
}

async function* read(
  objects: ObjectStore,
  path: string,
  range: { readonly from: number; readonly to: number },
  identity: Identity | undefined,
): AsyncGenerator<Uint8Array> {
  const shown = `"${printable(path)}"`;
  const changed = (): CairnError =>
    new CairnError('source-changed', `${shown} changed while it was being read`);
  await findObstacle(objects, path);
  const kept = await findEntry(objects, path);
  if (kept === undefined) throw new CairnError('source-missing', `${shown} is not there`);
  const { type, sizeBytes } = kept.entry;
  if (type !== 'file') throw new CairnError('source-unreadable', `${shown} is a ${type}, not a file`);
  if (range.to > sizeBytes || (identity !== undefined && kept.identity !== identity)) throw changed();
  const wanted = { from: kept.contentOffset + range.from, to: kept.contentOffset + range.to };
  const found = await objects.get(kept.key, wanted);
  if (found === undefined || found === 'unchanged') throw changed();
  try {
    if (found.etag !== kept.identity) throw changed();
    yield* found.bytes;
  } finally {
    await found.close();
  }
  const after = await objects.get(kept.key, { to: 0 });
  if (after === undefined || after === 'unchanged' || after.etag !== kept.identity) throw changed();
}
