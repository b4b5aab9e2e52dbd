/**
 * Where small documents lie that many nodes read and change: sessions, tokens, grants, keys. A document is a text under a key;
 * the schema beside its type says what is in it.
 *
 * Other nodes change the same documents at any time, where the store is shared; a document changes by compare-and-set only.
 */
import { CairnError } from '../../base/errors.ts';

/** A document as it was at one moment. */
export interface StateDocument {
  /** As an object's key: letters, digits, `.`, `_`, `-`, in parts that slashes divide. */
  readonly key: string;
  /** Equal versions of one key mean equal texts. */
  readonly version: string;
  readonly text: string;
}

/** What a state store can do. */
export interface StateStoreProperties {
  /** Whether several servers see and change the same documents. Commands of one machine may do so beside a single server, too. */
  readonly shared: boolean;
}

/** Longest text of a document, in UTF-8 bytes. */
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/**
 * A store of documents. Functions throw `path-unsafe` and `path-too-long` for texts that are no keys, and storage codes where the
 * store fails.
 */
export interface StateStore {
  readonly properties: StateStoreProperties;
  /** The document, as the last change left it that ended before, or a later one; undefined where none is. */
  get(key: string): Promise<StateDocument | undefined>;
  /** As {@link get}, but `unchanged`, at little cost, where the document still has this version. */
  getUnless(key: string, version: string): Promise<StateDocument | 'unchanged' | undefined>;
  /**
   * Replaces the document that has this version; null: makes one where none is. Answers the new version, once it is durable
   * and every node sees it; undefined, changing nothing, where another version is there or none. Of many at once under one version at
   * most one gets an answer other than undefined. Where it throws, the document may have changed all the same.
   *
   * @throws CairnError `storage-unsupported` for more than {@link MAX_DOCUMENT_BYTES}
   */
  compareAndSet(key: string, version: string | null, text: string): Promise<string | undefined>;
  /**
   * Documents whose key begins with `prefix`, in the order of their keys. Each that is there all the time is told of once; those
   * that come, change or go meanwhile may be told of.
   */
  list(prefix: string): AsyncIterable<StateDocument>;
  /** Removes a document, durably and whatever its version is; nothing happens where none is. */
  remove(key: string): Promise<void>;
  /**
   * Tells which documents came, changed or went, whichever process did it: first an empty list, once it is watching, and then the keys,
   * some changes together as one. It may say nothing of a document that has become again what it was. Ends with the signal.
   */
  watch(prefix: string, signal: AbortSignal): AsyncIterable<readonly string[]>;
  /** The store's clock, in milliseconds since 1970; all nodes read the same one. It may step back, and be coarse. */
  now(): Promise<number>;
  /** Where a document lies, as messages to people name it. */
  where(key: string): string;
}

/** The error for a text that is no small document. */
export function documentTooLarge(bytes: number): CairnError {
  const message = `a document of ${bytes} bytes is larger than the ${MAX_DOCUMENT_BYTES} that are kept`;
  return new CairnError('storage-unsupported', message, { details: { bytes } });
}
