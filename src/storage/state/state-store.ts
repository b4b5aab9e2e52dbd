/**
 * The store of small documents that many nodes read and change: sessions, tokens, grants, keys. A document is a text
 * under a key; the schema beside its type describes its content.
 *
 * Where the store is shared, other nodes change the same documents at any time; a document changes by compare-and-set
 * only.
 */
import { CairnError } from '../../base/errors.ts';

/** A document as it was at one moment. */
export interface StateDocument {
  /** Like an object's key: letters, digits, `.`, `_`, `-`, in parts that slashes divide. */
  readonly key: string;
  /** Equal versions of one key mean equal texts. */
  readonly version: string;
  readonly text: string;
}

/** The abilities of a state store. */
export interface StateStoreProperties {
  /** Whether several servers see and change the same documents. Local commands may do so beside one server, too. */
  readonly shared: boolean;
}

/** Longest text of a document, in UTF-8 bytes. */
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/**
 * A store of documents. Functions throw `path-unsafe` and `path-too-long` for a text that is no key, and storage codes
 * where the store fails.
 */
export interface StateStore {
  readonly properties: StateStoreProperties;
  /** The document after the last change that ended before the call, or a later one; undefined where there is none. */
  get(key: string): Promise<StateDocument | undefined>;
  /** Like {@link get}, but answers `unchanged`, at little cost, where the document still has this version. */
  getUnless(key: string, version: string): Promise<StateDocument | 'unchanged' | undefined>;
  /**
   * Replaces the document that has this version; null: makes one where there is none. Answers the new version, once it
   * is durable and every node sees it; undefined, without a change, where there is another version or no document. Of
   * many calls at once with one version at most one gets a version. Where it throws, the document may have changed all
   * the same.
   *
   * @throws CairnError `storage-unsupported` for more than {@link MAX_DOCUMENT_BYTES}
   */
  compareAndSet(key: string, version: string | null, text: string): Promise<string | undefined>;
  /**
   * Documents whose key begins with `prefix`, in the order of their keys. It yields once each document that exists all
   * the time; it may yield those that come, change or go meanwhile.
   */
  list(prefix: string): AsyncIterable<StateDocument>;
  /** Removes a document, durably and in any version; does nothing where there is none. */
  remove(key: string): Promise<void>;
  /**
   * Yields the keys of documents that came, changed or went, by any writer, below a prefix (empty, or with a slash at its
   * end) or of the one with a key: first an empty list, once it is watching,
   * and then the keys, some changes together as one. It may skip a document that has become again what it was. Ends
   * with the signal.
   */
  watch(prefixOrKey: string, signal: AbortSignal): AsyncIterable<readonly string[]>;
  /** The store's clock, in milliseconds since 1970; all nodes read the same one. It may step back, and be coarse. */
  now(): Promise<number>;
  /** The place of a document, as messages to people name it. */
  where(key: string): string;
}

/** The error for a text that is too large for a document. */
export function documentTooLarge(bytes: number): CairnError {
  const message = `a document of ${bytes} bytes is larger than the ${MAX_DOCUMENT_BYTES} that are kept`;
  return new CairnError('storage-unsupported', message, { details: { bytes } });
}
