/**
 * Where bytes lie under keys: the smallest store that an object service, a directory and memory can all be. Nothing is
 * renamed, appended to or changed in place; what has to change by one writer at a time changes by a conditional put.
 *
 * Other nodes put, get, list and remove in the same store at any time. What each function promises beside them stands in
 * its description. Times are the store's own, so that nodes whose clocks differ agree on the age of an object.
 */

/** What is told of an object without its bytes. */
export interface ObjectHead {
  readonly key: string;
  /**
   * Names what is stored: equal tags of one key mean equal bytes. The same bytes may get the same tag again, so a writer that
   * has to know its own put puts a random number into it.
   */
  readonly etag: string;
  readonly sizeBytes: number;
  /** When it was put, by the clock of {@link ObjectStore.now}; milliseconds since 1970. */
  readonly modifiedAtMs: number;
}

/** An object that is open to be read. */
export interface OpenObject extends ObjectHead {
  /**
   * The bytes that were asked for, of this version, whatever happens to the key meanwhile; read once. The memory of a piece may be
   * used again once the next one was asked for, and nobody may write to it.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Lets go of the object; needed only where `bytes` was not begun. A second call does nothing. */
  close(): Promise<void>;
}

/** Bytes to put: in memory, or a source that can be opened again where the store tries twice. */
export type ObjectBody = Uint8Array | ObjectSource;

/** Bytes whose number is known before they are read. */
export interface ObjectSource {
  readonly sizeBytes: number;
  open(): AsyncIterable<Uint8Array>;
}

/** What a put asks for. */
export interface PutOptions {
  /** SHA-256 of the body, 64 lower-case hex digits; the store refuses other bytes. */
  readonly sha256?: string;
  /** Puts only where the object with this tag is, or, for null, only where none is. Without it the last put wins. */
  readonly ifMatch?: string | null;
}

/** Which bytes a get asks for: `[from, to)`, cut at the object's end. */
export interface GetOptions {
  readonly from?: number;
  readonly to?: number;
  /** The tag of what the caller has already. */
  readonly unless?: string;
}

/** What a store can do. */
export interface ObjectStoreCapabilities {
  /** Whether other processes see and change the same objects. */
  readonly shared: boolean;
  /** The largest body of one put. */
  readonly maxObjectBytes: number;
}

/**
 * A store of objects. Keys are those of `object-key.ts`; every function throws `path-unsafe` and `path-too-long` for other
 * ones, and storage codes where the store fails.
 */
export interface ObjectStore {
  readonly capabilities: ObjectStoreCapabilities;
  /**
   * Stores a body under a key, whole or not at all. Answers the tag, once the object is durable and every node sees it;
   * undefined, changing nothing, where `ifMatch` does not hold. Of many puts at once under one condition at most one gets a tag.
   * Where it throws, the object may have been put all the same: who has to know reads it again.
   *
   * @throws CairnError `digest-mismatch` for a body that is not that of `sha256`; `storage-unsupported` for one that is too large;
   * `internal` for one that is not as long as it says
   */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<string | undefined>;
  /**
   * Opens what is under a key: `unchanged` where it has the tag `unless`, undefined where nothing is. It sees every put and
   * every removal that ended before, and may see one that goes on.
   */
  get(key: string, options?: GetOptions): Promise<OpenObject | 'unchanged' | undefined>;
  /**
   * Objects whose key begins with `prefix` and comes behind `after`, in the order of their keys. Each that is there from the
   * first step to the last is told of once; those that come, change or go meanwhile may be told of, as they were or are.
   */
  list(prefix: string, after?: string): AsyncIterable<ObjectHead>;
  /** Removes objects, durably and whatever they are by then; nothing happens for keys without one. */
  remove(keys: readonly string[]): Promise<void>;
  /** The store's clock, in milliseconds since 1970; all nodes read the same one. It may step back, and be coarse. */
  now(): Promise<number>;
}
