import { CairnError, storageError } from '../../base/errors.ts';
import type { Directory } from '../../base/directory.ts';
import type { Native } from '../../base/native.ts';
import type { ReservedPlaces } from '../../base/reserved-places.ts';
import { modeFor, type ModeOf, type ReceiverModes } from '../../manifest/modes.ts';
import type { DocumentName, IncomingTransfer, StagingArea } from '../content-store.ts';
import type { IncidentSink, Upkeep } from '../incident.ts';
import type { LocalChunkStaging } from './chunk-staging.ts';
import { localIds } from './tree/metadata-abilities.ts';
import { loadDocument, saveDocument } from './staging/documents.ts';
import { createMetadataSetter } from './publish/set-metadata.ts';
import type { FileTimes } from './tree/file-times.ts';
import { openLocalChunks } from './open-chunks.ts';
import type { SyncFile } from './staging/staged-files.ts';
import { findStagingDirectory, openStagingDirectory, removeStaging } from './staging/staging-directory.ts';

/** The state that the staging areas of one store share. */
export interface StagingContext {
  readonly root: Directory;
  /** The directory for backups, where it is not below the root. */
  readonly backupRoot: Directory | undefined;
  readonly reserved: ReservedPlaces;
  readonly native: Native | undefined;
  readonly times: FileTimes;
  /** How this process treats modes, such as its umask. */
  readonly modes: ReceiverModes;
  readonly syncFile: SyncFile;
  readonly upkeep: Upkeep;
  readonly onIncident: IncidentSink;
  /** The open chunks, by the id of their area. */
  readonly open: Map<string, LocalChunkStaging>;
}

/** The data of one session on the disk; see {@link StagingArea}. The folder exists. */
export class LocalStagingArea implements StagingArea {
  readonly #context: StagingContext;
  readonly #id: string;

  /** The area `id`, whose folder already exists. */
  constructor(context: StagingContext, id: string) {
    this.#context = context;
    this.#id = id;
  }

  async save(name: DocumentName, text: Iterable<string>): Promise<void> {
    const { root, times } = this.#context;
    root.checkInPlace();
    const folder = openStagingDirectory(root, this.#id, times);
    try {
      await saveDocument(folder, name, text);
    } finally {
      folder.close();
    }
  }

  load(name: DocumentName): Promise<AsyncIterable<Uint8Array> | undefined> {
    return loadDocument(() => findStagingDirectory(this.#context.root, this.#id), name);
  }

  async openChunks(transfer: IncomingTransfer): Promise<LocalChunkStaging> {
    const { root, backupRoot, native, times, syncFile, open, modes } = this.#context;
    const modeOf: ModeOf = (entry, foundMode) => modeFor(entry, foundMode, modes, transfer.modes);
    // One opening at a time, and the newer one counts: the older one belongs to a client that has been replaced.
    await this.#closeChunks();
    const folder = openStagingDirectory(root, this.#id, times);
    let chunks: LocalChunkStaging | undefined;
    // Remove it, since a server opens many sessions in its life.
    const onClosed = (): void => {
      if (open.get(this.#id) === chunks) open.delete(this.#id);
    };
    try {
      const { metadata: carried = [] } = transfer.manifest;
      const { allowedMetadata: allowed = carried } = transfer;
      const isSparse = allowed.includes('sparse');
      const ids = localIds(native);
      const { keepsTarget = false } = transfer.modes ?? {};
      const metadata = createMetadataSetter({ carried, allowed, native, ids, keepsTarget });
      const place = {
        root,
        backupRoot,
        id: this.#id,
        folder,
        native,
        times,
        modeOf,
        metadata,
        isSparse,
        syncFile,
        onClosed,
      };
      chunks = await openLocalChunks(place, transfer, this.#context);
      if (open.has(this.#id)) {
        await chunks.close();
        throw new CairnError('internal', 'the staged chunks are being opened twice at the same time');
      }
      open.set(this.#id, chunks);
      return chunks;
    } catch (error) {
      folder.close();
      throw storageError(error, 'opening staged chunks');
    }
  }

  async discard(): Promise<void> {
    await this.#closeChunks();
    await removeStaging(this.#context.root, this.#id, this.#context.times);
  }

  async #closeChunks(): Promise<void> {
    const { open } = this.#context;
    const chunks = open.get(this.#id);
    await chunks?.close();
    if (open.get(this.#id) === chunks) open.delete(this.#id);
  }
}
