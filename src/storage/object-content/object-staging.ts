/**
 * The data of a session among the objects until it ends: its documents and a mark of the area below `d/SESSION/`, and its
 * chunks below `c/SESSION/NUMBER/`, where they stay as the content of published files. The random number, which the mark
 * has, makes each area another one: an area that is gone never comes back.
 */
import { randomBytes } from 'node:crypto';
import { formatBytes } from '../../base/byte-text.ts';
import { CairnError } from '../../base/errors.ts';
import type { DocumentName, StagingArea } from '../content-store.ts';
import { createPageWriter } from '../entry-tree/page-writer.ts';
import { bytesOfObject } from '../objects/object-body.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { openChunkObjects } from './chunk-objects.ts';
import type { PublishedTree } from './published-tree.ts';

const STAGING = 'd/';
/** The object that marks an area, also before it has other objects. */
const AREA = 'area';
const REMOVE_BATCH = 500;
/** Digits of a manifest's id that tell apart the few manifests of a session. */
const MANIFEST_DIGITS = 16;

const prefixOf = (id: string): string => `${STAGING}${id}/`;

/** Opens the staging area of a session, or makes it. */
export async function openStagingArea(
  tree: PublishedTree,
  id: string,
  minChunkSizeBytes: number,
): Promise<StagingArea> {
  const { objects } = tree;
  const prefix = prefixOf(id);
  const area = `${id}/${await openMark(objects, id)}`;
  const content = `c/${area}/`;
  const checkOpen = async (): Promise<void> => {
    if (area === `${id}/${await markOf(objects, id)}`) return;
    throw new CairnError('server-busy', 'the session has ended meanwhile; nothing of it is published');
  };
  return {
    save: (name, text) => saveDocument(objects, `${prefix}doc/${name}`, text),
    load: (name) => loadDocument(objects, prefix, name),
    openChunks: async (transfer) => {
      if (transfer.manifest.chunkSizeBytes < minChunkSizeBytes) throw tooSmall(minChunkSizeBytes);
      const outcomePrefix = `${prefix}outcome/`;
      const createWriter = () => createPageWriter(objects, content);
      // Chunks of another manifest do not belong to this transfer.
      const chunks = `${content}${transfer.manifest.id.slice(0, MANIFEST_DIGITS)}/`;
      return openChunkObjects({ tree, area, checkOpen, createWriter, outcomePrefix }, chunks, transfer);
    },
    discard: async () => {
      await discard(objects, prefix);
      tree.noteEnded(area);
    },
  };
}

/** The number of an area, which is made where there is none. */
async function openMark(objects: ObjectStore, id: string): Promise<string> {
  for (;;) {
    const mark = await markOf(objects, id);
    if (mark !== undefined) return mark;
    const made = randomBytes(12).toString('hex');
    if ((await objects.put(prefixOf(id) + AREA, Buffer.from(made), { ifMatch: null })) !== undefined)
      return made;
  }
}

/** The number of the area that a session has now; undefined where it has none. @throws CairnError storage codes */
export async function markOf(objects: ObjectStore, id: string): Promise<string | undefined> {
  const found = await objects.get(prefixOf(id) + AREA);
  return found === undefined || found === 'unchanged' ? undefined : (await bytesOfObject(found)).toString();
}

/** Ids of all staging areas. */
export async function listStagingAreas(objects: ObjectStore): Promise<string[]> {
  const ids = new Set<string>();
  for await (const { key } of objects.list(STAGING)) ids.add(key.split('/')[1]!);
  return [...ids];
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
