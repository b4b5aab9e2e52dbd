/** The staged chunks of one transfer: a file for each large entry, a file for each packed chunk, and a journal. */
import type { Directory } from '../../base/directory.ts';
import { CairnError } from '../../base/errors.ts';
import { createMutex } from '../../base/mutex.ts';
import type { Native } from '../../base/native.ts';
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import type { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import type { ModeOf } from '../../manifest/modes.ts';
import type { ChunkWriter } from '../../transfer/chunk-store.ts';
import type { ChunkStaging, IncomingTransfer, PublishOrder } from '../content-store.ts';
import { finishDuplicate } from './staging/chunk-duplicate.ts';
import { type PendingChunk, syncChunks } from './staging/chunk-sync.ts';
import { LocalChunkWriter, type WriterEnds } from './staging/chunk-writer.ts';
import type { MetadataSetter } from './publish/set-metadata.ts';
import type { FileTimes } from './tree/file-times.ts';
import { PartialChunks } from './staging/partial-chunks.ts';
import { withdrawMissing } from './staging/missing-bytes.ts';
import { PreparedAhead } from './publish/prepare-ahead.ts';
import { publishTree } from './publish/publish.ts';
import { readStaged } from './staging/read-staged.ts';
import { type StagedFile, StagedFiles, type SyncFile } from './staging/staged-files.ts';
import { chunkPlace, duplicateName, sizeOfLarge } from './staging/staged-names.ts';
import { TakenOverChunks } from './staging/taken-over.ts';

/** Open files that only wait for a sync; more of them could reach the limit of descriptors. */
const MAX_WAITING_FILES = 64;

/** The parts that staged chunks need. */
export interface StagingPlace {
  /** The root of the store, and the directory for backups outside of it; both borrowed. */
  readonly root: Directory;
  readonly backupRoot?: Directory | undefined;
  /** Id of the staging area. */
  readonly id: string;
  /** The staging folder. */
  readonly folder: Directory;
  readonly log: CheckpointLog;
  readonly native: Native | undefined;
  readonly times: FileTimes;
  readonly modeOf: ModeOf;
  readonly metadata: MetadataSetter | undefined;
  /** Whether long runs of zeros become holes. */
  readonly isSparse: boolean;
  readonly syncFile: SyncFile;
  readonly onClosed: () => void;
}

/** See {@link ChunkStaging}; made by `openLocalChunks`. */
export class LocalChunkStaging implements ChunkStaging {
  readonly #place: StagingPlace;
  readonly #transfer: IncomingTransfer;
  readonly #files: StagedFiles;
  readonly #writers = new Map<number, LocalChunkWriter>();
  readonly #partialChunks: PartialChunks;
  readonly #takenOver: TakenOverChunks;
  readonly #ahead: PreparedAhead;
  /** Finished chunks that no sync point covers yet; `#syncing`: those that the running one will cover. */
  #pending = new Map<number, PendingChunk>();
  #syncing: ReadonlyMap<number, PendingChunk> = new Map();
  /** Runs sync points, replacements and publishing one after the other. */
  readonly #inTurn = createMutex();
  /** After this error no chunk is known to be durable: only a new opening helps. */
  #fatal: CairnError | undefined;
  /** The error of a sync without a caller: the next sync with a caller has to throw it. */
  #untold: CairnError | undefined;
  #closing: Promise<void> | undefined;

  /** Takes ownership of the log and the folder in `place`. @throws CairnError, storage codes */
  constructor(place: StagingPlace, transfer: IncomingTransfer) {
    this.#place = place;
    this.#transfer = transfer;
    this.#takenOver = new TakenOverChunks(place.log.digests.chunks.values());
    this.#partialChunks = new PartialChunks(place.folder, place.log, transfer);
    this.#ahead = new PreparedAhead({ ...place, syncFileSystem: place.native?.syncFileSystem }, transfer);
    const punchHole = place.isSparse ? place.native?.punchHole : undefined;
    this.#files = new StagedFiles(place.folder, (name) => this.#partialChunks.deleteIn(name), punchHole);
  }

  get digests(): ChunkDigests {
    return this.#place.log.digests;
  }

  partialChunks(): ReadonlyMap<number, number> {
    return this.#partialChunks.bytes;
  }

  async write(chunk: number, offset: number): Promise<ChunkWriter> {
    this.#checkUsable();
    chunkPlace(this.#transfer, chunk);
    const older = this.#writers.get(chunk);
    const settled = older?.cutOff() ?? Promise.resolve();
    const isCutOff = settled.catch(() => undefined); // thrown below
    const writer = new LocalChunkWriter(chunk, isCutOff);
    this.#writers.set(chunk, writer);
    try {
      await settled;
      if (this.#files.countWaiting() >= MAX_WAITING_FILES) await this.#syncUnasked();
      await this.#begin(writer, chunk, offset, older !== undefined);
      return writer;
    } catch (error) {
      this.#forget(chunk, writer);
      throw error;
    }
  }

  read(chunk: number): AsyncIterable<Uint8Array> {
    const place = chunkPlace(this.#transfer, chunk);
    const lengthBytes = this.#partialChunks.bytes.get(chunk);
    if (lengthBytes !== undefined)
      return readStaged(this.#place.folder, chunk, { ...place, lengthBytes, mayBeShorter: true });
    if (this.#digestOf(chunk) !== undefined) return readStaged(this.#place.folder, chunk, place);
    throw new CairnError('chunks-missing', `chunk ${chunk} is not staged`, { details: { chunk } });
  }

  async sync(): Promise<void> {
    await this.#inTurn(() => this.#syncNow());
    const untold = this.#untold;
    this.#untold = undefined;
    if (untold !== undefined) throw untold;
  }

  async verify(): Promise<number[]> {
    let wrong: number[] = [];
    await this.#inTurn(async () => {
      const place = { ...this.#place, transfer: this.#transfer, layout: this.#transfer.layout };
      wrong = await this.#takenOver.forgetWrong(place, () => false);
    });
    return wrong;
  }

  forget(chunks: readonly number[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const chunk of chunks) this.#pending.delete(chunk);
      const forget = chunks.filter((chunk) => this.digests.has(chunk));
      if (forget.length > 0) await this.#place.log.append({ forget });
    });
  }

  async publish(order: PublishOrder): Promise<void> {
    await this.#cutOffAll();
    await this.sync();
    await this.#inTurn(async () => {
      this.#place.root.checkInPlace();
      await this.#files.close();
      const { digests } = this;
      const takenOver = this.#takenOver;
      const ahead = this.#ahead.take();
      const job = { ...this.#place, transfer: this.#transfer, order, digests, takenOver, ahead };
      try {
        await publishTree(job);
      } catch (error) {
        throw await withdrawMissing(job, this.#transfer, error);
      }
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#cutOffAll();
    await this.#inTurn(async () => {
      await this.#ahead.close();
      await this.#files.close();
      await this.#place.log.close();
      this.#place.folder.close();
      this.#place.onClosed();
    });
  }

  async #begin(writer: LocalChunkWriter, chunk: number, offset: number, tookOver: boolean): Promise<void> {
    const isDuplicate = this.#digestOf(chunk) !== undefined;
    const chunkAt = chunkPlace(this.#transfer, chunk);
    // Only a whole chunk replaces a whole one: a chunk in a checkpoint survives a client that sends it again.
    const place = isDuplicate ? { ...chunkAt, fileName: duplicateName(chunk), fileOffset: 0 } : chunkAt;
    this.#place.root.checkInPlace();
    const fullSize = sizeOfLarge(this.#transfer, chunk);
    const file = await this.#files.acquire(place.fileName, isDuplicate, fullSize);
    // Check after each wait: a sync may have failed meanwhile, and removed the partial chunk.
    const check = (): void => {
      if (writer.isCut || this.#closing !== undefined) throw taken(chunk);
      if (file.failure !== undefined) throw file.failure;
      this.#partialChunks.checkOffset(chunk, offset, tookOver);
    };
    const isInTheWay = (): boolean => !isDuplicate && this.#partialChunks.isClaimedFrom(chunk, offset);
    try {
      check();
      while (isInTheWay()) {
        await this.#inTurn(() => this.#partialChunks.withdraw(chunk, offset));
        check();
      }
    } catch (error) {
      await this.#files.release(file);
      throw error;
    }
    const ends = isDuplicate ? this.#duplicateEnds(writer, chunk, file) : this.#ends(writer, chunk, file);
    if (!isDuplicate) this.#partialChunks.shorten(chunk, offset);
    writer.begin({ file, place, offset, ends });
  }

  #ends(writer: LocalChunkWriter, chunk: number, file: StagedFile): WriterEnds {
    return {
      progress: (bytes) => {
        if (file.failure === undefined) this.#partialChunks.set(chunk, bytes);
      },
      finish: async (_bytes, digest) => {
        this.#partialChunks.shorten(chunk, 0);
        this.#finished(chunk, { file, digest: Uint8Array.from(digest) });
      },
      drop: async () => {
        this.#partialChunks.shorten(chunk, 0);
        if (this.#partialChunks.isClaimedFrom(chunk, 0))
          await this.#inTurn(() => this.#partialChunks.withdraw(chunk, 0));
      },
      left: async () => {
        this.#forget(chunk, writer);
        await this.#files.release(file);
      },
    };
  }

  #duplicateEnds(writer: LocalChunkWriter, chunk: number, file: StagedFile): WriterEnds {
    return {
      progress: () => {},
      drop: async () => {},
      finish: (bytes, digest) =>
        this.#inTurn(async () => {
          const to = chunkPlace(this.#transfer, chunk);
          const duplicate = { chunk, bytes, digest, file, to, known: this.#digestOf(chunk) };
          const replaced = await finishDuplicate(duplicate, this.#files, this.#place.log, () => {
            this.#pending.delete(chunk);
            this.#ahead.forget(chunk);
          });
          if (replaced !== undefined) this.#finished(chunk, replaced);
        }),
      left: async () => {
        this.#forget(chunk, writer);
        await this.#files.release(file);
        await this.#files.remove(file.name);
      },
    };
  }

  #finished(chunk: number, pending: PendingChunk): void {
    this.#takenOver.delete(chunk);
    this.#pending.set(chunk, pending);
    this.#ahead.add(chunk);
  }

  /** The digest of a whole chunk, durable or not. */
  #digestOf(chunk: number): Uint8Array | undefined {
    return (this.#pending.get(chunk) ?? this.#syncing.get(chunk))?.digest ?? this.digests.get(chunk);
  }

  async #syncNow(): Promise<void> {
    if (this.#fatal !== undefined) throw this.#fatal;
    this.#syncing = this.#pending;
    this.#pending = new Map();
    const partialChunks = this.#partialChunks.beginClaiming();
    try {
      const place = { ...this.#place, files: this.#files };
      await syncChunks(place, { pending: this.#syncing, partialChunks }, (error) => (this.#fatal = error));
    } finally {
      this.#syncing = new Map();
      this.#partialChunks.endClaiming();
    }
  }

  async #syncUnasked(): Promise<void> {
    try {
      await this.#inTurn(() => this.#syncNow());
    } catch (error) {
      if (error instanceof CairnError) this.#untold = error;
      throw error;
    }
  }

  /** Call it outside of the mutex: a writer that finishes may wait for the mutex. */
  async #cutOffAll(): Promise<void> {
    for (const writer of this.#writers.values()) await writer.cutOff();
  }

  #forget(chunk: number, writer: LocalChunkWriter): void {
    if (this.#writers.get(chunk) === writer) this.#writers.delete(chunk);
  }

  #checkUsable(): void {
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#closing === undefined) return;
    throw new CairnError('chunk-conflict', 'these staged chunks are closed; the transfer was opened anew');
  }
}

function taken(chunk: number): CairnError {
  return new CairnError('chunk-conflict', `another writer of chunk ${chunk} has taken over`, {
    details: { chunk },
  });
}
