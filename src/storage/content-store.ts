/**
 * The interfaces of content: published trees and staged chunks, for a local disk and for an object store.
 *
 * A store knows paths, entries and staged chunks; it knows nothing of HTTP, epochs or clients. Its `properties` state
 * its abilities; callers never ask for its name.
 */
import type { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import type { Assembly } from '../manifest/assembly.ts';
import type { Identity, ScannedEntry } from '../manifest/entry.ts';
import type { EntryList } from '../manifest/entry-table.ts';
import type { Layout } from '../manifest/layout.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { MetadataKind, Uncarried } from '../manifest/metadata.ts';
import type { ModeWishes } from '../manifest/modes.ts';
import type { Existing } from '../session/scopes.ts';
import type { Notice } from '../wire/tree-stream.ts';
import type { ChunkStore } from '../transfer/chunk-store.ts';
import type { ComparedProperties, EntryLookup } from '../transfer/entry-lookup.ts';
import type { RefusalSink } from '../transfer/refused-entries.ts';
import type { UnkeptKind } from '../transfer/unkept-metadata.ts';

/** The abilities of a store; callers check these, not the kind of store. */
export interface ContentStoreProperties extends ComparedProperties {
  /** Smallest and largest chunk that can be staged, in bytes; the last chunk of a file may be smaller. */
  readonly chunkSizeBytes: { readonly min: number; readonly max: number };
  /** Whether a partial chunk stays and can be continued, after a `sync` by every process. */
  readonly holdsPartialChunks: boolean;
  /** `grouped`: staged chunks are durable after `sync`; `immediate`: once `finish` returns, seen by every process. */
  readonly durability: 'grouped' | 'immediate';
  /** Whether publishing assembles files from carried parts and from the files that they replace. */
  readonly assembles: boolean;
}

/** Receives the entries that a scan has to leave out. */
export type NoticeSink = (notice: Notice) => void;

/** The options of a scan. */
export interface ScanWishes {
  readonly onNotice: NoticeSink;
  readonly depth?: 1;
  /** Directories to skip, by their device and inode, where the store has such. */
  readonly passedOver?: readonly { readonly dev: bigint; readonly ino: bigint }[];
  /** Kinds of metadata that entries are to have, of those that the store `tells`. */
  readonly metadata?: readonly MetadataKind[] | undefined;
  /** Receives what an entry has that is not carried, where metadata is wished; once for each entry. */
  readonly onUncarried?: (what: Uncarried) => void;
}

/** Holds published trees and the staging areas of transfers. Paths are safe relative paths. */
export interface ContentStore extends EntryLookup {
  readonly properties: ContentStoreProperties;
  /**
   * Lists the entry at `path` and all below it in canonical order, in batches; entry paths are relative to `path`, and
   * the first entry is `path` itself (relative path empty). With `depth` 1 only its direct children follow. Names that
   * are not UTF-8, and files of other types than file, directory or symlink, go to `onNotice`. It skips the directories
   * `passedOver`. Throws `not-found`, `symlink-refused`, `not-directory`.
   */
  scan(path: string, options: ScanWishes): AsyncIterable<ScannedEntry[]>;
  /**
   * Bytes `[from, to)` of a file. With `identity` it throws `source-changed` before the first byte where the file has
   * another identity, and after the last byte where the file changed meanwhile; `source-missing`, `source-unreadable`.
   * It may reuse a buffer once the caller asks for the next one. It waits before it reads a file that has just changed,
   * until a further change would give another identity: so two reads with one identity never have bytes of two
   * versions.
   */
  read(path: string, range: { from: number; to: number }, identity?: Identity): AsyncIterable<Uint8Array>;
  /**
   * Reads a short range of a file at once, to the start of `into`, which has room for one byte more. False where that
   * would have to wait, or {@link read} would throw: then only `read` knows, and `into` may have changed. Only by a
   * store to which it costs less.
   */
  readNow?(
    path: string,
    range: { readonly from: number; readonly to: number },
    identity: Identity,
    into: Uint8Array,
  ): boolean;
  /** Makes durable all that `scan` has seen so far, from any writer; false where that would take long. */
  settle(): Promise<boolean>;
  /**
   * Makes a directory, durably; with `parents` also missing parents, and an existing directory is no error. Throws
   * `already-exists`, `not-found`, `not-directory`, `symlink-refused`; `path-reserved` for the root.
   */
  makeDirectory(path: string, options: { readonly parents: boolean }): Promise<void>;
  /** Removes a file, link or directory, durably. Throws `not-found`; `is-directory` for a directory with entries. */
  remove(path: string, options: { readonly recursive: boolean }): Promise<void>;
  /** Moves the entry at a path, durably and at once. Throws `not-found`, `already-exists`, `usage` for into itself. */
  move(from: string, to: string, options: { readonly replace: boolean }): Promise<void>;
  /** Opens the staging area of a session, or makes it. */
  openStaging(id: string): Promise<StagingArea>;
  /** Ids of all staging areas, for the collector. */
  listStaging(): Promise<string[]>;
  /**
   * Frees what neither published entries nor open staging areas have needed for a while, and answers how many objects.
   * It ends early once `isStopped` answers true. Only by a store that does not free at once; harmless beside everything
   * else, and twice at a time.
   */
  collect?(isStopped: () => boolean): Promise<number>;
  /** Bytes that may still be written, and bytes in all; undefined where the store has no such bounds. */
  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined>;
  close(): Promise<void>;
}

/** The part of a store that readers use. */
export type ReadableStore = Pick<ContentStore, 'scan' | 'lookup' | 'read' | 'readNow'>;

/** Documents that a store keeps with a session. */
export type DocumentName = 'manifest' | 'identities' | 'plan' | 'parts' | 'digests' | 'deletions';

/** The data that a session keeps in the store until it ends. */
export interface StagingArea {
  /** Replaces a document, durably and atomically. `text` has to allow a second iteration. */
  save(name: DocumentName, text: Iterable<string>): Promise<void>;
  /**
   * Reads a document as UTF-8 bytes, or undefined where it was never saved. It may reuse the memory of a piece once
   * the caller asks for the next one.
   */
  load(name: DocumentName): Promise<AsyncIterable<Uint8Array> | undefined>;
  /**
   * Opens the chunks of a transfer into this store; one opening at a time. It withdraws recorded chunks whose bytes are
   * missing.
   */
  openChunks(transfer: IncomingTransfer): Promise<ChunkStaging>;
  /** Frees all data of the session, at once or by {@link ContentStore.collect}. */
  discard(): Promise<void>;
}

/** The facts about a transfer that a store needs to stage its chunks. */
export interface IncomingTransfer {
  readonly manifest: Manifest;
  readonly layout: Layout;
  /** Safe relative path of the destination. */
  readonly target: string;
  /** The options for modes; undefined: the usual ones. */
  readonly modes?: ModeWishes | undefined;
  /** The files of which only parts are carried, by entry; only for a store that `assembles`. */
  readonly assemblies?: ReadonlyMap<number, Assembly> | undefined;
  /** The kinds of metadata that may be set, of those that the manifest carries; undefined: all of them. */
  readonly allowedMetadata?: readonly MetadataKind[] | undefined;
}

/** The staged chunks of one transfer. */
export interface ChunkStaging extends ChunkStore {
  /** The checkpoint: durable chunks and their digests. Read only. */
  readonly digests: ChunkDigests;
  /**
   * Sync point: when it resolves, every chunk finished before the call is durable and in `digests`, and the next
   * opening still has the bytes that partial chunks had before the call.
   */
  sync(): Promise<void>;
  /**
   * Reads again the chunks that an earlier opening staged and no caller has read since. It withdraws chunks that differ
   * from the checkpoint, durably, and answers them. Publishing does the same, and then refuses.
   */
  verify(): Promise<number[]>;
  /** Withdraws these chunks from the checkpoint, durably: their bytes are wrong. They must have no writer. */
  forget(chunks: readonly number[]): Promise<void>;
  /**
   * Publishes the tree; a call after a crash finishes the earlier one. An entry replaces a file or link of another
   * type, and an empty directory. Throws `chunks-missing`, with `details.runs` where the store knows which chunks; it
   * forgets these.
   */
  publish(order: PublishOrder): Promise<void>;
  /**
   * Whether a call of {@link publish}, also one of another process, has published the tree. One that has not changes
   * nothing from now on. Only by a store that other processes change, too.
   */
  isPublished?(): Promise<boolean>;
  close(): Promise<void>;
}

/** The options of publishing, once every digest agreed. */
export interface PublishOrder {
  /** Entries that the receiver already had. */
  readonly isPresent: (entryIndex: number) => boolean;
  /** Entries already there whose mode and mtime are to be set. */
  readonly needsAttributes: (entryIndex: number) => boolean;
  /** Entries to leave alone: the sender could not read them whole. */
  readonly isExcluded: (entryIndex: number) => boolean;
  /** Size of the stream, for the manifest of a stream. */
  readonly streamSizeBytes?: number | undefined;
  /** Whether an entry also replaces a directory with all entries in it. */
  readonly forceReplace?: boolean | undefined;
  /**
   * Called before published entries change, after the store has read their state; only by a store that other processes
   * change, too. Where it rejects, another process publishes, and this call must change no more entries, not even by a
   * change that runs and comes late.
   */
  readonly confirm?: (() => Promise<void>) | undefined;
  /**
   * Called with each entry that cannot be put in its place, also with those below it, and with each that cannot get its
   * mode and time; the rest is published. Without it the first one ends the publishing, as the manifest's first entry
   * always does.
   */
  readonly onRefused?: RefusalSink | undefined;
  /** Called at the end with the metadata that entries did not get. */
  readonly onUnkept?: ((unkept: readonly UnkeptKind[]) => void) | undefined;
  /** How to treat an existing file or link; default `replaced`. */
  readonly existing?: Existing | undefined;
  /**
   * A directory that gets every file and link that is replaced or removed, under its path relative to the target, and
   * under a similar name where that is taken. A safe path relative to the root of the store, or to the directory that the
   * store was opened with for backups.
   */
  readonly backup?: string | undefined;
  /** What to remove beside; an entry of another type may then replace a directory whose entries are all among it. */
  readonly removal?: Removal | undefined;
  /** Called now and then with the number of finished entries. */
  readonly onProgress?: (entriesDone: number) => void;
}

/**
 * Entries to remove after all others have been published, the deepest first: files and links that are still as they are
 * listed, and directories that are empty by then. What is not there any more counts as removed. Nothing is removed
 * where an entry was refused.
 */
export interface Removal {
  /** Relative to the target, in canonical order, never the target itself. */
  readonly entries: EntryList;
  /** Called with the index of each entry that stays: it has changed, is not empty, or cannot be removed. */
  readonly onKept: RefusalSink;
  /** Called where an entry was refused, so that nothing is removed. */
  readonly onSkipped: () => void;
}
