/** The chunks of a push as they come in: staging, sync points, and the digests of whole chunks. */
import { CairnError } from '../../../base/errors.ts';
import type { ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import { ChunkDigests } from '../../../checkpoint/chunk-digests.ts';
import type { HasherFactory } from '../../../manifest/digest.ts';
import { isStream } from '../../../manifest/layout.ts';
import type { SyncStatus } from '../../../wire/messages.ts';
import type { ChunkStaging } from '../../../storage/content-store.ts';
import {
  createGroupCommit,
  type GroupCommit,
  type GroupCommitPolicy,
} from '../../../transfer/group-commit.ts';
import type { TransferPlan } from './transfer-plan.ts';

/** The answer of a store with durability `immediate`, in which nothing waits for a sync. */
const ALWAYS_DURABLE: SyncStatus = { syncPoint: 0, durableSyncPoint: 0 };

/** The parts for opening incoming chunks. */
export interface IncomingOptions {
  readonly plan: TransferPlan;
  readonly createHasher: HasherFactory;
  readonly durability: 'grouped' | 'immediate';
  readonly policy: GroupCommitPolicy;
  /** The last sync point that was durable when this epoch's staging was open before. */
  readonly durableSyncPoint: number;
  /** Called when a sync failed for which no request waited. */
  readonly onFailure: (error: unknown) => void;
  /** Called with the duration of each sync of the store. */
  readonly onSynced: (durationMs: number) => void;
}

/** The open staging of a push. */
export class IncomingChunks {
  readonly staging: ChunkStaging;
  readonly plan: TransferPlan;
  readonly createHasher: HasherFactory;
  /** Whether chunks that other processes receive show after a sync. */
  readonly showsThoseOfOthers: boolean;
  /** Set when a sync failed: the staged bytes are not trusted until the staging is opened again. */
  failed = false;
  readonly #isStream: boolean;
  readonly #onSynced: (durationMs: number) => void;
  readonly #groupCommit: GroupCommit | undefined;
  /** Chunks that were finished here since the staging was opened, durable or not. */
  readonly #finished: ChunkDigests;
  #highest = -1;
  #highestLengthBytes: number;

  private constructor(staging: ChunkStaging, options: IncomingOptions) {
    this.staging = staging;
    this.plan = options.plan;
    this.#onSynced = options.onSynced;
    this.showsThoseOfOthers = options.durability === 'immediate';
    this.createHasher = options.createHasher;
    this.#isStream = isStream(options.plan.manifest);
    this.#finished = new ChunkDigests(staging.digests.digestLengthBytes);
    this.#highestLengthBytes = options.plan.manifest.chunkSizeBytes;
    if (options.durability === 'grouped') {
      this.#groupCommit = createGroupCommit(() => this.#syncStaging(), options.policy, options);
    }
  }

  /** Takes over an open staging, and finds the end of a stream again. */
  static async open(staging: ChunkStaging, options: IncomingOptions): Promise<IncomingChunks> {
    const chunks = new IncomingChunks(staging, options);
    const last = staging.digests.chunks.runs().slice(-2);
    if (last.length === 2 && chunks.#isStream) {
      chunks.#highest = last[0]! + last[1]! - 1;
      chunks.#highestLengthBytes = await chunks.stagedBytesOf(chunks.#highest);
    }
    return chunks;
  }

  /** The digest of a whole chunk, durable or not. */
  digestOf(chunk: number): Uint8Array | undefined {
    return this.#finished.get(chunk) ?? this.staging.digests.get(chunk);
  }

  /** The whole chunks, durable or not. */
  whole(): ReadonlyChunkSet {
    const chunks = this.staging.digests.chunks.copy();
    chunks.addAll(this.#finished.chunks);
    return chunks;
  }

  /** Bytes of a whole chunk; for a stream without a known end the most that the chunk can have. */
  lengthOf(chunk: number): number {
    if (this.#isStream && chunk === this.#highest) return this.#highestLengthBytes;
    return this.plan.layout.chunkLengthBytes(chunk);
  }

  /**
   * Checks that only the last chunk of a stream is short.
   *
   * @throws CairnError `chunk-out-of-range` for a chunk behind a short one, or a short one before another
   */
  checkStreamOrder(chunk: number, lengthBytes: number): void {
    const { chunkSizeBytes } = this.plan.manifest;
    if (!this.#isStream) return;
    if (chunk > this.#highest && this.#highestLengthBytes < chunkSizeBytes) {
      throw new CairnError('chunk-out-of-range', `the stream ended with chunk ${this.#highest}`);
    }
    if (chunk < this.#highest && lengthBytes < chunkSizeBytes) {
      throw new CairnError(
        'chunk-out-of-range',
        `chunk ${chunk} is short, and chunk ${this.#highest} follows it`,
      );
    }
  }

  /** Counts staged bytes for the next sync point, whole chunk or not. */
  written(bytes: number): void {
    this.#groupCommit?.written(bytes);
  }

  /**
   * Takes in a whole chunk. The answer names the sync point that covers it, or will; in mode `always` it has come.
   *
   * @throws CairnError the error of a failed sync; then nothing that is staged is trusted
   */
  async finished(chunk: number, digest: Uint8Array, lengthBytes: number): Promise<SyncStatus> {
    this.#finished.set(chunk, digest);
    if (chunk >= this.#highest) {
      this.#highest = chunk;
      this.#highestLengthBytes = lengthBytes;
    }
    return this.#groupCommit?.finished() ?? ALWAYS_DURABLE;
  }

  /** Makes all written bytes durable; in a shared store also finds the chunks of other processes. */
  async sync(): Promise<SyncStatus> {
    if (this.#groupCommit !== undefined) return this.#groupCommit.request();
    await this.#syncStaging();
    return ALWAYS_DURABLE;
  }

  async #syncStaging(): Promise<void> {
    const startMs = performance.now();
    await this.staging.sync();
    this.#onSynced(performance.now() - startMs);
  }

  /** Forgets chunks that the staging has lost. Only after a sync point. */
  forgetLost(): void {
    for (const chunk of this.#finished.chunks.copy().values()) {
      if (!this.staging.digests.has(chunk)) this.#finished.delete(chunk);
    }
  }

  /** Counts the bytes of a staged chunk. */
  async stagedBytesOf(chunk: number): Promise<number> {
    let bytes = 0;
    for await (const piece of this.staging.read(chunk)) bytes += piece.byteLength;
    return bytes;
  }

  /** Closes the staging. Bytes that no sync point covers may be lost. */
  async close(): Promise<void> {
    await this.#groupCommit?.close();
    await this.staging.close();
  }
}
