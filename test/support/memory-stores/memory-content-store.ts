/**
 * A content store in memory that behaves like one across a network: several instances over one bucket see each other's
 * work, chunks are immutable parts, objects are published whole. It knows no file and no rename.
 */
import { CairnError } from '../../../src/base/errors.ts';
import { comparePaths, printable } from '../../../src/base/safe-path.ts';
import type { Identity, ScannedEntry } from '../../../src/manifest/entry.ts';
import { CHUNK_SIZE_RANGE } from '../../../src/manifest/manifest.ts';
import { AS_SENT } from '../../../src/manifest/modes.ts';
import type { ContentStore } from '../../../src/storage/content-store.ts';
import type { MemoryBackend } from './memory-backend.ts';
import { isOfOneEntry, type RefusalSink } from '../../../src/transfer/refused-entries.ts';
import { makeMemoryDirectory, moveInMemory, removeFromMemory } from './memory-changes.ts';
import { listMemoryStaging, openMemoryStaging } from './memory-staging.ts';
import { CONTENT_PREFIX, contentKey, findEntry, findObstacle, scannedEntryOf } from './memory-tree.ts';

const SCAN_BATCH_ENTRIES = 1000;
const READ_BYTES = 256 * 1024;

/**
 * Opens a store over `backend`; any number may be open over the same one.
 *
 * @param options.minChunkSizeBytes smallest part that is no last or packed one, as object stores ask for
 */
export function createMemoryContentStore(
  backend: MemoryBackend,
  options: { minChunkSizeBytes?: number } = {},
): ContentStore {
  const minChunkSizeBytes = options.minChunkSizeBytes ?? CHUNK_SIZE_RANGE.min;
  return {
    properties: {
      chunkSizeBytes: { min: minChunkSizeBytes, max: CHUNK_SIZE_RANGE.max },
      holdsPartialChunks: false,
      durability: 'immediate',
      mtimeResolutionNs: 1n,
      modes: AS_SENT,
    },
    scan: (path, { depth }) => scan(backend, path, depth),
    lookup: (paths, onRefused) => lookup(backend, paths, onRefused),
    read: (path, range, identity) => read(backend, path, range, identity),
    makeDirectory: (path, how) => makeMemoryDirectory(backend, path, how),
    remove: (path, how) => removeFromMemory(backend, path, how),
    move: (from, to, how) => moveInMemory(backend, from, to, how),
    openStaging: (id) => openMemoryStaging(backend, id, minChunkSizeBytes),
    listStaging: () => listMemoryStaging(backend),
    settle: async () => true,
    space: async () => undefined,
    close: async () => {},
  };
}

async function* scan(
  backend: MemoryBackend,
  path: string,
  depth: 1 | undefined,
): AsyncGenerator<ScannedEntry[]> {
  const obstacle = await findObstacle(backend, path);
  if (obstacle !== undefined) {
    throw new CairnError('not-directory', `"${printable(obstacle.entry.path)}" is not a directory`);
  }
  const root = await findEntry(backend, path);
  if (root === undefined) throw new CairnError('not-found', `there is nothing at "${printable(path)}"`);
  const found = [{ ...root, entry: { ...root.entry, path: '' } }];
  const prefix = path === '' ? CONTENT_PREFIX : `${contentKey(path)}/`;
  for (const head of await backend.list(prefix)) {
    const relative = head.key.slice(prefix.length);
    if (relative === '' || (depth === 1 && relative.includes('/'))) continue;
    found.push(scannedEntryOf(head, relative));
  }
  found.sort((a, b) => comparePaths(a.entry.path, b.entry.path));
  for (let at = 0; at < found.length; at += SCAN_BATCH_ENTRIES)
    yield found.slice(at, at + SCAN_BATCH_ENTRIES);
}

async function lookup(
  backend: MemoryBackend,
  paths: readonly string[],
  onRefused: RefusalSink | undefined,
): Promise<(ScannedEntry | undefined)[]> {
  return Promise.all(
    paths.map(async (path, index) => {
      try {
        return (await findObstacle(backend, path)) === undefined ? await findEntry(backend, path) : undefined;
      } catch (error) {
        if (onRefused === undefined || !isOfOneEntry(error)) throw error;
        onRefused(index, error);
        return undefined;
      }
    }),
  );
}

/** Asks for one range after the other, each only of the version that the first one was of. */
async function* read(
  backend: MemoryBackend,
  path: string,
  range: { from: number; to: number },
  identity: Identity | undefined,
): AsyncGenerator<Uint8Array> {
  const changed = (): CairnError =>
    new CairnError('source-changed', `"${printable(path)}" changed while it was being read`);
  await findObstacle(backend, path);
  const first = await backend.head(contentKey(path));
  if (first === undefined) throw new CairnError('source-missing', `"${printable(path)}" is not there`);
  if (first.metadata['type'] !== 'file') {
    throw new CairnError(
      'source-unreadable',
      `"${printable(path)}" is a ${first.metadata['type']}, not a file`,
    );
  }
  if (identity !== undefined && first.etag !== identity) throw changed();
  if (range.to > first.sizeBytes) throw changed();
  for (let at = range.from; at < range.to; at += READ_BYTES) {
    const object = await backend.get(contentKey(path));
    if (object?.etag !== first.etag) throw changed();
    yield Buffer.from(object.body.subarray(at, Math.min(at + READ_BYTES, range.to)));
  }
  if ((await backend.head(contentKey(path)))?.etag !== first.etag) throw changed();
}
