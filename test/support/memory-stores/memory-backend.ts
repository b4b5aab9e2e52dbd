/**
 * The bucket behind the in-memory stores: an object store reduced to what every one of them has. Whole objects are put,
 * read, listed and deleted by key; a put replaces at once and may be conditional. Nothing is renamed, appended to or
 * changed in place. Each put gives a new entity tag.
 */

/** What is told of an object without its bytes. */
export interface ObjectHead {
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An object with its bytes, which nobody may change. */
export interface StoredObject extends ObjectHead {
  readonly body: Buffer;
}

/** Puts only where this entity tag is; null: only where nothing is. */
export interface PutCondition {
  readonly ifMatch: string | null;
}

/** A bucket that several store instances share, as several processes would. Asynchronous, as a network is. */
export interface MemoryBackend {
  /** Stores a copy of `body` under `key`. Returns the new entity tag; undefined where the condition does not hold. */
  put(
    key: string,
    body: Uint8Array,
    metadata?: Readonly<Record<string, string>>,
    condition?: PutCondition,
  ): Promise<string | undefined>;
  head(key: string): Promise<ObjectHead | undefined>;
  get(key: string): Promise<StoredObject | undefined>;
  /** Heads of all objects whose key starts with `prefix`, in no order. */
  list(prefix: string): Promise<ObjectHead[]>;
  /** Deletes an object; nothing happens where there is none. */
  remove(key: string): Promise<void>;
}

/** Makes an empty bucket; it lives as long as there is a reference to it. */
export function createMemoryBackend(): MemoryBackend {
  const objects = new Map<string, StoredObject>();
  let puts = 0;
  const headOf = ({ key, etag, sizeBytes, metadata }: StoredObject): ObjectHead => ({
    key,
    etag,
    sizeBytes,
    metadata,
  });
  return {
    put: async (key, body, metadata = {}, condition) => {
      if (condition !== undefined && (objects.get(key)?.etag ?? null) !== condition.ifMatch) return undefined;
      puts += 1;
      const etag = `"${puts}"`;
      objects.set(key, {
        key,
        etag,
        sizeBytes: body.byteLength,
        metadata: { ...metadata },
        body: Buffer.from(body),
      });
      return etag;
    },
    head: async (key) => {
      const found = objects.get(key);
      return found === undefined ? undefined : headOf(found);
    },
    get: async (key) => objects.get(key),
    list: async (prefix) => Array.from(objects.values(), headOf).filter(({ key }) => key.startsWith(prefix)),
    remove: async (key) => void objects.delete(key),
  };
}
