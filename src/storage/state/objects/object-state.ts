/**
 * Documents as objects: the version is the object's tag; a watch looks again and again. A line with a random number stands before
 * the text, so that no two versions have one tag: a document that is changed and changed back is another version, and a write that
 * comes late finds that out.
 */
import { randomBytes } from 'node:crypto';
import { bytesOfObject } from '../../objects/object-body.ts';
import type { ObjectHead, ObjectStore, OpenObject } from '../../objects/object-store.ts';
import { watchByLooking } from '../looking.ts';
import { createReadDocuments, type ReadDocuments } from './read-documents.ts';
import { MAX_DOCUMENT_BYTES, documentTooLarge, type StateDocument, type StateStore } from '../state-store.ts';

/** Most characters of the documents that are kept for the next list. */
const MAX_KEPT_CHARACTERS = 16 * 1024 * 1024;
/** Length of the line before a text. */
const NONCE_BYTES = 17;
/** Documents that are read at the same time. */
const BATCH = 16;

/** Options of {@link createObjectState}. */
export interface ObjectStateOptions {
  /** How often a watch looks at its document, or lists its prefix; it may miss a change of another node for so long. */
  readonly lookEveryMs?: number;
}

/** Documents in a store of objects; any number may be made over the same store, in every process that shares it. */
export function createObjectState(
  objects: ObjectStore,
  { lookEveryMs = 1000 }: ObjectStateOptions = {},
): StateStore {
  const documents = createReadDocuments(MAX_KEPT_CHARACTERS);
  return {
    properties: { shared: objects.capabilities.shared },
    get: (key) => read(objects, key),
    getUnless: async (key, version) => {
      const found = await objects.get(key, { unless: version });
      return found === 'unchanged' || found === undefined ? found : documentOf(found);
    },
    compareAndSet: async (key, version, text) => {
      const body = Buffer.from(text);
      if (body.byteLength > MAX_DOCUMENT_BYTES) throw documentTooLarge(body.byteLength);
      const nonce = `${randomBytes(12).toString('base64url')}\n`;
      return objects.put(key, Buffer.concat([Buffer.from(nonce), body]), { ifMatch: version });
    },
    list: (prefix) => list(objects, prefix, documents),
    remove: (key) => objects.remove([key]),
    now: () => objects.now(),
    watch: (prefix, signal) => watchByLooking(() => tagsOf(objects, prefix), { signal, lookEveryMs }),
    where: (key) => key,
  };
}

async function read(objects: ObjectStore, key: string): Promise<StateDocument | undefined> {
  const found = await objects.get(key);
  return found === undefined || found === 'unchanged' ? undefined : documentOf(found);
}

async function documentOf(found: OpenObject): Promise<StateDocument> {
  if (found.sizeBytes > MAX_DOCUMENT_BYTES + NONCE_BYTES) {
    await found.close();
    throw documentTooLarge(found.sizeBytes);
  }
  const text = (await bytesOfObject(found)).toString();
  return { key: found.key, version: found.etag, text: text.slice(text.indexOf('\n') + 1) };
}

async function* list(
  objects: ObjectStore,
  prefix: string,
  documents: ReadDocuments,
): AsyncGenerator<StateDocument> {
  let batch: ObjectHead[] = [];
  const readOne = async ({ key, etag }: ObjectHead): Promise<StateDocument | undefined> => {
    const known = documents.find(key, etag);
    if (known !== undefined) return known;
    const document = await read(objects, key);
    if (document !== undefined) documents.keep(document);
    return document;
  };
  for await (const head of objects.list(prefix)) {
    batch.push(head);
    if (batch.length < BATCH) continue;
    for (const document of await Promise.all(batch.map(readOne))) if (document !== undefined) yield document;
    batch = [];
  }
  for (const document of await Promise.all(batch.map(readOne))) if (document !== undefined) yield document;
}

/** The tag of one document, or of all below a prefix: a service takes much more for a list than for a look at one object. */
async function tagsOf(objects: ObjectStore, prefix: string): Promise<ReadonlyMap<string, string>> {
  const tags = new Map<string, string>();
  if (prefix === '' || prefix.endsWith('/')) {
    for await (const { key, etag } of objects.list(prefix)) tags.set(key, etag);
    return tags;
  }
  const found = await objects.get(prefix, { to: 0 });
  if (found !== undefined && found !== 'unchanged') tags.set(prefix, found.etag);
  return tags;
}
