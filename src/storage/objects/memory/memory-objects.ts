/** Objects in the memory of this process, for as long as code holds the store. */
import { checkKey, checkPrefix } from '../object-key.ts';
import { checkedBody } from '../object-body.ts';
import type { ObjectHead, ObjectStore, OpenObject } from '../object-store.ts';

/** The largest buffer that every system allows. */
const MAX_OBJECT_BYTES = 2 ** 30;
const PIECE_BYTES = 256 * 1024;

interface Kept extends ObjectHead {
  readonly body: Buffer;
}

/**
 * Makes an empty store; the servers of this process that get it share it, as processes share a service. It ends
 * with the process.
 */
export function createMemoryObjects(): ObjectStore {
  const objects = new Map<string, Kept>();
  let puts = 0;
  return {
    capabilities: { shared: true, maxObjectBytes: MAX_OBJECT_BYTES },
    put: async (key, body, { sha256, ifMatch } = {}) => {
      checkKey(key);
      const pieces: Uint8Array[] = [];
      for await (const piece of checkedBody(body, { sha256, maxBytes: MAX_OBJECT_BYTES })) {
        pieces.push(Uint8Array.from(piece));
      }
      const whole = Buffer.concat(pieces);
      // No other code runs between this check and the change.
      if (ifMatch !== undefined && (objects.get(key)?.etag ?? null) !== ifMatch) return undefined;
      puts += 1;
      const etag = String(puts);
      objects.set(key, { key, etag, sizeBytes: whole.byteLength, modifiedAtMs: Date.now(), body: whole });
      return etag;
    },
    get: async (key, { from = 0, to = Infinity, unless } = {}) => {
      checkKey(key);
      const found = objects.get(key);
      if (found === undefined) return undefined;
      return found.etag === unless
        ? 'unchanged'
        : opened(found, found.body.subarray(from, Math.max(from, to)));
    },
    list: (prefix, after = '') => list(objects, prefix, after),
    remove: async (keys) => {
      for (const key of keys) checkKey(key);
      for (const key of keys) objects.delete(key);
    },
    now: async () => Date.now(),
  };
}

function headOf({ key, etag, sizeBytes, modifiedAtMs }: Kept): ObjectHead {
  return { key, etag, sizeBytes, modifiedAtMs };
}

function opened(kept: Kept, part: Buffer): OpenObject {
  return { ...headOf(kept), bytes: piecesOf(part), close: async () => {} };
}

/** In pieces, as from a file or a network: a slow reader is judged piece by piece. */
async function* piecesOf(part: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < part.byteLength; at += PIECE_BYTES) yield part.subarray(at, at + PIECE_BYTES);
}

async function* list(objects: Map<string, Kept>, prefix: string, after: string): AsyncGenerator<ObjectHead> {
  checkPrefix(prefix);
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
  for (const key of keys.toSorted()) {
    const found = objects.get(key);
    if (found !== undefined) yield headOf(found);
  }
}
