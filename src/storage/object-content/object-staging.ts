/** The data of a session among the objects until it ends: its documents, and its chunks. */
import { formatBytes } from '../../base/byte-text.ts';
import { CairnError } from '../../base/errors.ts';
import type { DocumentName, StagingArea } from '../content-store.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { openChunkObjects } from './chunk-objects.ts';

const STAGING = 'd/';
/** An empty object that marks an area, also before it has other objects. */
const AREA = 'area';
const REMOVE_BATCH = 500;

const prefixOf = (id: string): string => `${STAGING}${id}/`;

/** Opens the staging area of a session, or makes it. */
export async function openStagingArea(
  objects: ObjectStore,
  id: string,
  minChunkSizeBytes: number,
): Promise<StagingArea> {
  const prefix = prefixOf(id);
  await objects.put(prefix + AREA, new Uint8Array(), { ifMatch: null });
  return {
    save: (name, text) => saveDocument(objects, `${prefix}doc/${name}`, text),
    load: (name) => loadDocument(objects, prefix, name),
    openChunks: async (transfer) => {
      if (transfer.manifest.chunkSizeBytes < minChunkSizeBytes) throw tooSmall(minChunkSizeBytes);
      // Chunks of another manifest do not belong to this transfer.
      return openChunkObjects(objects, `${prefix}c/${transfer.manifest.id}/`, transfer);
    },
    discard: () => discard(objects, prefix),
  };
}

/** Ids of all staging areas. */
export async function listStagingAreas(objects: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  let after = '';
  for (;;) {
    const id = await firstArea(objects, after);
    if (id === undefined) return ids;
    ids.push(id);
    // A place behind all keys of this area: no character of a key sorts behind `~`.
    after = `${STAGING}${id}/~`;
  }
}

async function firstArea(objects: ObjectStore, after: string): Promise<string | undefined> {
  for await (const { key } of objects.list(STAGING, after)) return key.split('/')[1];
  return undefined;
}

/** Iterates over the text twice: a store has to know the size first. */
async function saveDocument(objects: ObjectStore, key: string, text: Iterable<string>): Promise<void> {
  let sizeBytes = 0;
  for (const piece of text) sizeBytes += Buffer.byteLength(piece);
  await objects.put(key, {
    sizeBytes,
    open: async function* () {
      for (const piece of text) yield Buffer.from(piece);
    },
  });
}

async function loadDocument(
  objects: ObjectStore,
  prefix: string,
  name: DocumentName,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const key = `${prefix}doc/${name}`;
  // The object is opened when the caller reads it, so that an unread one needs no close.
  const head = await objects.get(key, { to: 0 });
  if (head === undefined) return undefined;
  return {
    [Symbol.asyncIterator]: async function* () {
      const found = await objects.get(key);
      if (found !== undefined && found !== 'unchanged') yield* found.bytes;
    },
  };
}

/** Removes the mark last, so that an area with objects left is still listed. */
async function discard(objects: ObjectStore, prefix: string): Promise<void> {
  let keys: string[] = [];
  for await (const { key } of objects.list(prefix)) {
    if (key !== prefix + AREA) keys.push(key);
    if (keys.length < REMOVE_BATCH) continue;
    await objects.remove(keys);
    keys = [];
  }
  await objects.remove([...keys, prefix + AREA]);
}

function tooSmall(minChunkSizeBytes: number): CairnError {
  return new CairnError(
    'storage-unsupported',
    `this store takes no chunks below ${formatBytes(minChunkSizeBytes)}; choose a larger --chunk-size`,
    { details: { minChunkSizeBytes } },
  );
}
