/** The chunks of a push as they come in: staging, sync points, and what is known of each chunk. */
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

/** What a store with durability `immediate` answers: there is nothing to wait for. */
const ALWAYS_DURABLE: SyncStatus = { syncPoint: 0, durableSyncPoint: 0 };

/** How incoming chunks are opened. */
export interface IncomingOptions {
  readonly plan: TransferPlan;
  readonly createHasher: HasherFactory;
  readonly durability: 'grouped' | 'immediate';
  readonly policy: GroupCommitPolicy;
  /** The last sync point of an earlier opening in this epoch. */
  readonly durableSyncPoint: number;
  /** Told of a sync that failed while nobody waited for it. */
  readonly onFailure: (error: unknown) => void;
  /** Told how long a sync of the store took. */
  readonly onSynced: (durationMs: number) => void;
}

/** The open staging of a push. */
export class IncomingChunks {
  readonly staging: ChunkStaging;
  readonly plan: TransferPlan;
  readonly createHasher: HasherFactory;
  /** Whether chunks that other processes receive show after a sync. */
  readonly showsThoseOfOthers: boolean;
  /** Set when a sync failed: what is staged is not to be trusted until it is opened anew. */
  failed = false;
  readonly #isStream: boolean;
  readonly #onSynced: (durationMs: number) => void;
  readonly #groupCommit: GroupCommit | undefined;
  /** Finished here since the staging was opened, durable or not. */
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

  /** Takes over an open staging; the end of a stream that was there before is found again. */
  static async open(staging: ChunkStaging, options: IncomingOptions): Promise<IncomingChunks> {
    const chunks = new IncomingChunks(staging, options);
    const last = staging.digests.chunks.runs().slice(-2);
    if (last.length === 2 && chunks.#isStream) {
      chunks.#highest = last[0]! + last[1]! - 1;
      chunks.#highestLengthBytes = await chunks.stagedBytesOf(chunks.#highest);
    }
    return chunks;
  }

  /** The digest of a chunk that is whole, durable or not. */
  digestOf(chunk: number): Uint8Array | undefined {
    return this.#finished.get(chunk) ?? this.staging.digests.get(chunk);
  }

  /** The chunks that are whole, durable or not. */
  whole(): ReadonlyChunkSet {
    const chunks = this.staging.digests.chunks.copy();
    chunks.addAll(this.#finished.chunks);
    return chunks;
  }

  /** Bytes of a whole chunk; of a stream's chunk the most that it can have, where its end is not known. */
  lengthOf(chunk: number): number {
    if (this.#isStream && chunk === this.#highest) return this.#highestLengthBytes;
    return this.plan.layout.chunkLengthBytes(chunk);
  }

  /**
   * In a stream only the last chunk is short.
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

  /** Notes bytes that were staged: a sync point will cover them, whole chunk or not. */
  written(bytes: number): void {
    this.#groupCommit?.written(bytes);
  }

  /**
   * Notes a whole chunk, at once. The answer names the sync point that covers it, or will; in mode `always` it has come.
   *
   * @throws CairnError what a failed sync left; nothing that is staged is to be trusted then
   */
  async finished(chunk: number, digest: Uint8Array, lengthBytes: number): Promise<SyncStatus> {
    this.#finished.set(chunk, digest);
    if (chunk >= this.#highest) {
      this.#highest = chunk;
      this.#highestLengthBytes = lengthBytes;
    }
    return this.#groupCommit?.finished() ?? ALWAYS_DURABLE;
  }

  /** Makes everything durable that was written; for a shared store, also looks at what other processes have done. */
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

  /** Forgets what was finished here and the staging has no longer. Only after a sync point. */
  forgetLost(): void {
    for (const chunk of this.#finished.chunks.copy().values()) {
      if (!this.staging.digests.has(chunk)) this.#finished.delete(chunk);
    }
  }

  /** Bytes of a chunk that is staged, counted. */
  async stagedBytesOf(chunk: number): Promise<number> {
    let bytes = 0;
    for await (const piece of this.staging.read(chunk)) bytes += piece.byteLength;
    return bytes;
  }

  /** Gives the staging back. What no sync point covers may be lost. */
  async close(): Promise<void> {
    await this.#groupCommit?.close();
    await this.staging.close();
  }
}
