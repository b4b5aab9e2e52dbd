/** The content store on a local disk: a tree of plain files, and `.cairn/staging/` for chunks that arrive. */
import { join } from 'node:path';
import type { AtCalls } from '../../base/at-calls.ts';
import { type Directory, openDirectory } from '../../base/directory.ts';
import { syncHandle } from '../../base/durable-files.ts';
import { storageError } from '../../base/errors.ts';
import type { StatAt } from '../../base/file-stat.ts';
import { loadNative, type Native } from '../../base/native.ts';
import { readsEverything } from '../../base/process-rights.ts';
import { createReservedPlaces, type ReservedPlaces } from '../../base/reserved-places.ts';
import { printable, RESERVED_NAME } from '../../base/safe-path.ts';
import { CHUNK_SIZE_RANGE } from '../../manifest/manifest.ts';
import type { MetadataKind } from '../../manifest/metadata.ts';
import type { Identity, ScannedEntry } from '../../manifest/entry.ts';
import type { ContentStore, ContentStoreProperties, StagingArea } from '../content-store.ts';
import { isOfOneEntry, type RefusalSink } from '../../transfer/refused-entries.ts';
import type { IncidentSink, Upkeep } from '../incident.ts';
import { createBreather } from '../../base/breather.ts';
import type { LocalChunkStaging } from './chunk-staging.ts';
import { withFewSyncs } from './tree/few-syncs.ts';
import { fileTimes } from './tree/file-times.ts';
import { PathFinder } from './tree/lookup.ts';
import { FileReader } from './tree/read-file.ts';
import { metadataAbilities } from './tree/metadata-abilities.ts';
import { createAddMetadata } from './tree/read-metadata.ts';
import { type LocalScanWishes, type ScanOptions, scanTree } from './tree/scan.ts';
import { makeDirectoryAt, moveTo, removeAt } from './tree/tree-changes.ts';
import type { SyncFile } from './staging/staged-files.ts';
import { LocalStagingArea, type StagingContext } from './staging-area.ts';
import { checkStagingId, listStagingIds, openStagingDirectory } from './staging/staging-directory.ts';

/** A store of plain files, whose scan can be told what to list. */
export interface LocalStore extends ContentStore {
  scan(path: string, options: LocalScanWishes): AsyncIterable<ScannedEntry[]>;
}

/** The part of a {@link LocalStore} that readers use. */
export type ReadableLocalStore = Pick<LocalStore, 'scan' | 'lookup' | 'read' | 'readNow'>;

/** Options of {@link openLocalDisk}. */
export interface LocalDiskOptions {
  /** Called with each repair that an operator should know of, such as a damaged journal. */
  readonly onIncident?: IncidentSink;
  /** How much to repair (default: `usual`). With `report` only look at staged chunks: never write any. */
  readonly upkeep?: Upkeep;
  /** False: does without the C library, as on a machine that cannot load it. */
  readonly useNative?: boolean;
  /** No chunk will be staged here: the C library is loaded only for large scans. */
  readonly isReadOnly?: boolean;
  /** Directories that no path of the store may reach, by any name, where they exist. */
  readonly keepOut?: readonly string[];
  /** Whether the owner of published files must stay able to read them, whatever mode the sender gave them. */
  readonly staysReadable?: boolean;
  /** An existing directory for backups, outside of the root. */
  readonly backupRoot?: string | undefined;
  /** Makes one staged file durable; for tests, which let it fail. */
  readonly syncFile?: SyncFile;
}

/**
 * Opens the store at `root`, an existing directory. It follows symbolic links on the way to it once, now; below it
 * never.
 *
 * @throws CairnError `not-found`, `not-directory`, storage codes
 */
export async function openLocalDisk(root: string, options: LocalDiskOptions = {}): Promise<LocalStore> {
  const reserved = createReservedPlaces();
  // In the store and not in the module: no state of a store may outlive it.
  let loaded: Native | undefined;
  const load = async (): Promise<Native | undefined> => {
    if (options.useNative !== false) loaded ??= await loadNative();
    return loaded;
  };
  if (options.isReadOnly !== true) await load();
  const native = loaded && withFewSyncs(loaded);
  const calls = (): AtCalls | undefined => loaded?.at;
  const opened = openDirectory(root, { reserved, calls });
  try {
    const own = options.isReadOnly === true ? [] : [join(opened.displayPath, RESERVED_NAME)];
    for (const path of [...own, ...(options.keepOut ?? [])]) reserveAt(reserved, path);
  } catch (error) {
    reserved.close();
    opened.close();
    throw error;
  }
  const context: StagingContext = {
    root: opened,
    backupRoot: options.backupRoot === undefined ? undefined : openDirectory(options.backupRoot, { calls }),
    reserved,
    native,
    times: fileTimes(native),
    modes: { umask: process.umask(), ownerReads: options.staysReadable === true && !readsEverything() },
    syncFile: options.syncFile ?? syncHandle,
    upkeep: options.upkeep ?? 'usual',
    onIncident: options.onIncident ?? (() => {}),
    open: new Map<string, LocalChunkStaging>(),
  };
  return new LocalDisk(context, load);
}

function reserveAt(reserved: ReservedPlaces, path: string): void {
  let directory: Directory;
  try {
    directory = openDirectory(path);
  } catch (error) {
    // It does not exist, is no directory, or cannot be opened.
    if (isOfOneEntry(storageError(error, `opening "${printable(path)}"`))) return;
    throw error;
  }
  reserved.reserve(directory);
  directory.close();
}

class LocalDisk implements LocalStore {
  readonly properties: ContentStoreProperties;
  readonly #context: StagingContext;
  readonly #load: typeof loadNative;
  /** Calls of the C library, once they are loaded. */
  #native: Native | undefined;
  readonly #root: Directory;
  readonly #reader: FileReader;

  constructor(context: StagingContext, load: typeof loadNative) {
    this.#context = context;
    this.#load = load;
    this.#native = context.native;
    this.#root = context.root;
    this.#reader = new FileReader(
      context.root,
      () => this.#native,
      () => this.#loadNative(),
    );
    this.properties = {
      chunkSizeBytes: CHUNK_SIZE_RANGE,
      holdsPartialChunks: true,
      durability: 'grouped',
      assembles: true,
      mtimeResolutionNs: context.times.resolutionNs,
      modes: context.modes,
      metadata: metadataAbilities(context.native),
    };
  }

  scan(path: string, options: LocalScanWishes): AsyncIterable<ScannedEntry[]> {
    const withLoader = { ...options, loadStatAt: () => this.#loadStatAt() };
    // The calls of the C library take longer to load than a few entries to find.
    return (options.metadata ?? []).length === 0
      ? scanTree(this.#root, path, withLoader)
      : this.#scanWhole(path, withLoader);
  }

  /** A scan with metadata. */
  async *#scanWhole(path: string, options: ScanOptions): AsyncGenerator<ScannedEntry[]> {
    const addMetadata = createAddMetadata(options.metadata, await this.#load(), options.onUncarried);
    yield* scanTree(this.#root, path, { ...options, addMetadata });
  }

  async lookup(
    paths: readonly string[],
    onRefused?: RefusalSink,
    metadata?: readonly MetadataKind[],
  ): Promise<(ScannedEntry | undefined)[]> {
    const statAt = await this.#loadStatAt();
    const addMetadata = metadata && createAddMetadata(metadata, await this.#load());
    const finder = new PathFinder(this.#root, statAt, addMetadata);
    const breathe = createBreather();
    try {
      const found: (ScannedEntry | undefined)[] = [];
      for (const [index, path] of paths.entries()) {
        found.push(onRefused === undefined ? finder.find(path) : findOrTell(finder, path, index, onRefused));
        await breathe();
      }
      return found;
    } finally {
      finder.close();
    }
  }

  read(path: string, range: { from: number; to: number }, identity?: Identity): AsyncIterable<Uint8Array> {
    return this.#reader.read(path, range, identity);
  }

  readNow(path: string, range: { from: number; to: number }, identity: Identity, into: Uint8Array): boolean {
    return this.#reader.readNow(path, range, identity, into);
  }

  async settle(): Promise<boolean> {
    const syncFileSystem = this.#context.native?.syncFileSystem;
    if (syncFileSystem === undefined) return false;
    const root = this.#root.reopen();
    try {
      await syncFileSystem(root.fd);
    } finally {
      root.close();
    }
    return true;
  }

  async makeDirectory(path: string, options: { parents: boolean }): Promise<void> {
    makeDirectoryAt(this.#root, path, options);
  }

  remove(path: string, options: { recursive: boolean }): Promise<void> {
    return removeAt(this.#root, path, options);
  }

  async move(from: string, to: string, options: { replace: boolean }): Promise<void> {
    moveTo(this.#root, from, to, { ...options, native: this.#context.native });
  }

  async openStaging(id: string): Promise<StagingArea> {
    openStagingDirectory(this.#root, checkStagingId(id), this.#context.times).close();
    return new LocalStagingArea(this.#context, id);
  }

  async listStaging(): Promise<string[]> {
    return listStagingIds(this.#root);
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#root.space();
  }

  async close(): Promise<void> {
    for (const chunks of this.#context.open.values()) await chunks.close();
    this.#context.open.clear();
    this.#reader.close();
    this.#context.reserved.close();
    this.#context.backupRoot?.close();
    this.#root.close();
  }

  async #loadNative(): Promise<Native | undefined> {
    this.#native ??= await this.#load();
    return this.#native;
  }

  async #loadStatAt(): Promise<StatAt | undefined> {
    return (await this.#loadNative())?.statAt;
  }
}

function findOrTell(
  finder: PathFinder,
  path: string,
  index: number,
  onRefused: RefusalSink,
): ScannedEntry | undefined {
  try {
    return finder.find(path);
  } catch (error) {
    if (!isOfOneEntry(error)) throw error;
    onRefused(index, error);
    return undefined;
  }
}
