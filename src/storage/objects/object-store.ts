/**
 * Stores bytes under keys: the smallest store that an object service, a directory and memory can all be. It never
 * renames, appends to or changes an object in place; a conditional put lets one writer at a time replace one.
 *
 * Other nodes put, get, list and remove in the same store at any time. The description of each function states its
 * guarantees beside them. Times are the store's own, so that nodes whose clocks differ agree on the age of an object.
 */

/** The facts about an object without its bytes. */
export interface ObjectHead {
  readonly key: string;
  /**
   * Identifies the stored bytes: equal tags of one key mean equal bytes. The same bytes may get the same tag again, so
   * a writer that has to recognise its own put puts a random number into it.
   */
  readonly etag: string;
  readonly sizeBytes: number;
  /** The time of its put, by the clock of {@link ObjectStore.now}; milliseconds since 1970. */
  readonly modifiedAtMs: number;
}

/** An object that is open for reading. */
export interface OpenObject extends ObjectHead {
  /**
   * The requested bytes, of this version, even if the key changes meanwhile; read once. The store may reuse the
   * memory of a piece once the reader asks for the next one, and no code may write to it.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Releases the object; needed only where no code has read from `bytes`. A second call does nothing. */
  close(): Promise<void>;
}

/** Bytes to put: in memory, or a source that the store can open again for a second try. */
export type ObjectBody = Uint8Array | ObjectSource;

/** Bytes whose number is known before they are read. */
export interface ObjectSource {
  readonly sizeBytes: number;
  open(): AsyncIterable<Uint8Array>;
}

/** Conditions of a put. */
export interface PutOptions {
  /** SHA-256 of the body, 64 lower-case hex digits; the store refuses other bytes. */
  readonly sha256?: string;
  /**
   * Puts only where the current object has this tag, or, for null, where there is none. Without it the last put wins.
   */
  readonly ifMatch?: string | null;
}

/** The range of a get: `[from, to)`, cut at the object's end. */
export interface GetOptions {
  readonly from?: number;
  readonly to?: number;
  /** The tag of the version that the caller already has. */
  readonly unless?: string;
}

/** The abilities of a store. */
export interface ObjectStoreCapabilities {
  /** Whether other processes see and change the same objects. */
  readonly shared: boolean;
  /** The largest body of one put. */
  readonly maxObjectBytes: number;
}

/**
 * A store of objects. Its keys are those of `object-key.ts`; every function throws `path-unsafe` and `path-too-long`
 * for other ones, and storage codes where the store fails.
 */
export interface ObjectStore {
  readonly capabilities: ObjectStoreCapabilities;
  /**
   * Stores a body under a key, whole or not at all. Answers the tag, once the object is durable and every node sees it;
   * undefined, without a change, where `ifMatch` does not hold. Of many puts at once under one condition at most one
   * gets a tag. Where it throws, the object may have been put all the same: a caller that has to know reads it again.
   *
   * @throws CairnError `digest-mismatch` for a body with another digest than `sha256`; `storage-unsupported` for one
   * that is too large; `internal` for one with another length than it states
   */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<string | undefined>;
  /**
   * Opens the object under a key: `unchanged` where it has the tag `unless`, undefined where there is none. It sees
   * every put and every removal that ended before, and may see one that runs.
   */
  get(key: string, options?: GetOptions): Promise<OpenObject | 'unchanged' | undefined>;
  /**
   * Objects whose key begins with `prefix` and sorts behind `after`, in the order of their keys. It yields once each
   * object that exists from the first step to the last; it may yield those that come, change or go meanwhile, in either
   * state.
   */
  list(prefix: string, after?: string): AsyncIterable<ObjectHead>;
  /** Removes objects, durably and in any version; ignores keys without one. */
  remove(keys: readonly string[]): Promise<void>;
  /** The store's clock, in milliseconds since 1970; all nodes read the same one. It may step back, and be coarse. */
  now(): Promise<number>;
}
