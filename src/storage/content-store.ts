/**
 * Where content lives: two small interfaces that a local disk and an object store can both keep.
 *
 * A store knows paths, entries and staged chunks; it knows nothing of HTTP, epochs or clients. What it can and cannot
 * do is said by `properties`, never by its name.
 */
import type { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import type { Identity, ScannedEntry } from '../manifest/entry.ts';
import type { Layout } from '../manifest/layout.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { ModeWishes } from '../manifest/modes.ts';
import type { Existing } from '../session/scopes.ts';
import type { Notice } from '../wire/tree-stream.ts';
import type { ChunkStore } from '../transfer/chunk-store.ts';
import type { ComparedProperties, EntryLookup } from '../transfer/entry-lookup.ts';
import type { RefusalSink } from '../transfer/refused-entries.ts';

/** What a store can do; callers ask this instead of asking which store it is. */
export interface ContentStoreProperties extends ComparedProperties {
  /** Smallest and largest chunk that can be staged, in bytes; the last chunk of a file may be smaller. */
  readonly chunkSizeBytes: { readonly min: number; readonly max: number };
  /** Whether bytes of a chunk that was cut stay and can be continued, after a `sync` by every process. */
  readonly holdsPartialChunks: boolean;
  /** `grouped`: staged chunks are durable after `sync`; `immediate`: once `finish` returns, seen by every process. */
  readonly durability: 'grouped' | 'immediate';
}

/** Receives the entries that a scan has to leave out. */
export type NoticeSink = (notice: Notice) => void;

/** How a tree is scanned. */
export interface ScanWishes {
  readonly onNotice: NoticeSink;
  readonly depth?: 1;
  /** A directory by its device and inode, where the store has such. */
  readonly passedOver?: { readonly dev: bigint; readonly ino: bigint } | undefined;
}

/** A place that holds published trees and the staging areas of those to come. Paths are safe relative paths. */
export interface ContentStore extends EntryLookup {
  readonly properties: ContentStoreProperties;
  /**
   * Lists what is at `path` in canonical order, in batches; entry paths are relative to `path`, the first entry is
   * `path` itself (relative path empty). With `depth` 1 only its direct children follow. Names that are not UTF-8, and
   * what is no file, directory or symlink, go to `onNotice`. A directory that is `passedOver` is no part of the tree.
   * Throws `not-found`, `symlink-refused`, `not-directory`.
   */
  scan(path: string, options: ScanWishes): AsyncIterable<ScannedEntry[]>;
  /**
   * Bytes `[from, to)` of a file. Throws `source-changed` before the first byte when `identity` is given and no longer
   * that of the file, and after the last byte when it changed meanwhile; `source-missing`, `source-unreadable`.
   * The buffers may be reused after the next one was asked for. A file that has just been changed is left alone until its
   * identity would tell of another change, so that no two reads with one identity have bytes of two versions.
   */
  read(path: string, range: { from: number; to: number }, identity?: Identity): AsyncIterable<Uint8Array>;
  /** Makes durable all that `scan` has seen by now, however it came there; false where that would take long. */
  settle(): Promise<boolean>;
  /**
   * Makes a directory, durably; with `parents` also what is missing above, and nothing where it is there. Throws
   * `already-exists`, `not-found`, `not-directory`, `symlink-refused`; `path-reserved` for the root.
   */
  makeDirectory(path: string, options: { readonly parents: boolean }): Promise<void>;
  /** Removes a file, link or directory, durably. Throws `not-found`, `is-directory` for one that is not empty. */
  remove(path: string, options: { readonly recursive: boolean }): Promise<void>;
  /** Moves what is at a path, durably and at once. Throws `not-found`, `already-exists`, `usage` for into itself. */
  move(from: string, to: string, options: { readonly replace: boolean }): Promise<void>;
  /** Opens the staging area of a session, or makes it. */
  openStaging(id: string): Promise<StagingArea>;
  /** Ids of all staging areas, for the collector. */
  listStaging(): Promise<string[]>;
  /** Bytes that may still be written, and bytes in all; undefined where the store has no such bounds. */
  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined>;
  close(): Promise<void>;
}

/** What is asked of a store by one that only reads. */
export type ReadableStore = Pick<ContentStore, 'scan' | 'lookup' | 'read'>;

/** Documents that are kept with a session. */
export type DocumentName = 'manifest' | 'identities' | 'plan' | 'digests';

/** What a session keeps in the store until it ends. */
export interface StagingArea {
  /** Replaces a document, durably and atomically. `text` can be iterated again where this fails. */
  save(name: DocumentName, text: Iterable<string>): Promise<void>;
  /**
   * Reads a document as UTF-8 bytes, or undefined where it was never saved. The memory of a piece may be used again once
   * the next one was asked for.
   */
  load(name: DocumentName): Promise<AsyncIterable<Uint8Array> | undefined>;
  /**
   * Opens the chunks of a transfer into this store; one opening at a time. A claim for bytes that are not there is
   * withdrawn.
   */
  openChunks(transfer: IncomingTransfer): Promise<ChunkStaging>;
  /** Frees everything that the session holds. */
  discard(): Promise<void>;
}

/** What a store has to know of the transfer whose chunks it stages. */
export interface IncomingTransfer {
  readonly manifest: Manifest;
  readonly layout: Layout;
  /** Safe relative path at which the tree lands. */
  readonly target: string;
  /** What it wants with modes; what is usual, where undefined. */
  readonly modes?: ModeWishes | undefined;
}

/** The staged chunks of one transfer. */
export interface ChunkStaging extends ChunkStore {
  /** The checkpoint: durable chunks and their digests. Read only. */
  readonly digests: ChunkDigests;
  /**
   * Sync point: when it resolves, every chunk finished before the call is durable and in `digests`, and the bytes held
   * before it are there for the next opening of the chunks.
   */
  sync(): Promise<void>;
  /**
   * Reads again what an earlier opening staged and nobody has read since. Chunks that are not there any more as the
   * checkpoint has them are taken out of it, durably, and answered. Publishing does the same, and refuses.
   */
  verify(): Promise<number[]>;
  /** Withdraws durably what is said of these chunks: their bytes are not what they should be. For nobody who writes. */
  forget(chunks: readonly number[]): Promise<void>;
  /**
   * Publishes the tree; may be called again after a crash and then finishes what was begun. A file or link in the place of
   * an entry of another type gives way to it, and so does an empty directory. Throws `chunks-missing`, with
   * `details.runs` where it is known which; these are forgotten.
   */
  publish(order: PublishOrder): Promise<void>;
  close(): Promise<void>;
}

/** What to publish, once every digest agreed. */
export interface PublishOrder {
  /** Entries that the receiver already had. */
  readonly isPresent: (entryIndex: number) => boolean;
  /** Entries already there whose mode and mtime are to be set. */
  readonly needsAttributes: (entryIndex: number) => boolean;
  /** Entries to leave alone: the sender could not read them whole. */
  readonly isExcluded: (entryIndex: number) => boolean;
  /** Size of the stream, where the manifest is that of one. */
  readonly streamSizeBytes?: number | undefined;
  /** Whether a directory that is not empty gives way, too, with all that is in it. */
  readonly forceReplace?: boolean | undefined;
  /**
   * Asked before each few changes of what is published, once the store has seen what they change, by a store that other
   * processes change, too. Where it rejects, another process publishes, and nothing more may be changed by this call: not
   * even by a change that was under way and comes late.
   */
  readonly confirm?: (() => Promise<void>) | undefined;
  /**
   * Told of each entry that cannot be put in its place, those below it as well, or that cannot get its mode and time; the
   * rest is published. Without it the first one ends the publishing; the first entry of the manifest always does.
   */
  readonly onRefused?: RefusalSink | undefined;
  /** What becomes of a file or link that is there already; `replaced`, where it is not said. */
  readonly existing?: Existing | undefined;
  /** Called now and then with the number of entries that are done. */
  readonly onProgress?: (entriesDone: number) => void;
}
