/** Documents as objects: the version is the object's tag, and watching is looking again and again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError } from '../../../base/errors.ts';
import type { ObjectHead, ObjectStore } from '../../objects/object-store.ts';
import { MAX_DOCUMENT_BYTES, type StateDocument, type StateStore } from '../state-store.ts';

/** Documents that are read at the same time. */
const BATCH = 16;

/** How {@link createObjectState} goes about it. */
export interface ObjectStateOptions {
  /** How often a watch lists the keys of its prefix; so long may a change stay unseen by another node. */
  readonly lookEveryMs?: number;
}

/** Documents in a store of objects; any number may be made over the same one, in any process that shares it. */
export function createObjectState(
  objects: ObjectStore,
  { lookEveryMs = 1000 }: ObjectStateOptions = {},
): StateStore {
  return {
    properties: { shared: objects.capabilities.shared },
    get: (key) => read(objects, key),
    compareAndSet: async (key, version, text) => {
      const body = Buffer.from(text);
      if (body.byteLength > MAX_DOCUMENT_BYTES) throw tooLarge(body.byteLength);
      return objects.put(key, body, { ifMatch: version });
    },
    list: (prefix) => list(objects, prefix),
    remove: (key) => objects.remove([key]),
    watch: (prefix, signal) => watch(objects, prefix, { signal, lookEveryMs }),
  };
}

function tooLarge(bytes: number): CairnError {
  const message = `a document of ${bytes} bytes is larger than the ${MAX_DOCUMENT_BYTES} that are kept`;
  return new CairnError('storage-unsupported', message, { details: { bytes } });
}

async function read(objects: ObjectStore, key: string): Promise<StateDocument | undefined> {
  const found = await objects.get(key);
  if (found === undefined || found === 'unchanged') return undefined;
  if (found.sizeBytes > MAX_DOCUMENT_BYTES) {
    await found.close();
    throw tooLarge(found.sizeBytes);
  }
  const pieces: Buffer[] = [];
  for await (const piece of found.bytes) pieces.push(Buffer.from(piece));
  return { key, version: found.etag, text: Buffer.concat(pieces).toString() };
}

async function* list(objects: ObjectStore, prefix: string): AsyncGenerator<StateDocument> {
  let batch: ObjectHead[] = [];
  const readBatch = (): Promise<(StateDocument | undefined)[]> =>
    Promise.all(batch.map(({ key }) => read(objects, key)));
  for await (const head of objects.list(prefix)) {
    batch.push(head);
    if (batch.length < BATCH) continue;
    for (const document of await readBatch()) if (document !== undefined) yield document;
    batch = [];
  }
  for (const document of await readBatch()) if (document !== undefined) yield document;
}

async function* watch(
  objects: ObjectStore,
  prefix: string,
  { signal, lookEveryMs }: { signal: AbortSignal; lookEveryMs: number },
): AsyncGenerator<readonly string[]> {
  let seen = await tagsBelow(objects, prefix);
  if (!signal.aborted) yield [];
  while (await waitFor(lookEveryMs, signal)) {
    const now = await tagsBelow(objects, prefix);
    const changed = [...now].filter(([key, etag]) => seen.get(key) !== etag).map(([key]) => key);
    const gone = [...seen.keys()].filter((key) => !now.has(key));
    seen = now;
    if (changed.length + gone.length > 0) yield [...changed, ...gone].toSorted();
  }
}

async function tagsBelow(objects: ObjectStore, prefix: string): Promise<ReadonlyMap<string, string>> {
  const tags = new Map<string, string>();
  for await (const { key, etag } of objects.list(prefix)) tags.set(key, etag);
  return tags;
}

/** False where the signal came first. */
async function waitFor(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(milliseconds, undefined, { signal, ref: false });
    return true;
  } catch {
    return false; // nothing but the signal ends a timer
  }
}
