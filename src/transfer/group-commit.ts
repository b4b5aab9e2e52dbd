/**
 * Sync points shared by many chunks: one `sync` of the store covers everything that was written before it began. It
 * comes by bytes, by time, and on request, as far as the sync mode has it.
 */
import type { SyncStatus } from '../wire/messages.ts';
import type { SyncMode } from '../session/sync-mode.ts';

/** How much a sync point covers at most, where it comes by itself. */
export interface GroupLimits {
  /** So many bytes bring one; Infinity: they never do. */
  readonly maxBytes: number;
  /** It comes so long after the first byte that it covers; Infinity: time brings none. */
  readonly maxDelayMs: number;
}

/** When a sync point comes. */
export interface GroupCommitPolicy extends GroupLimits {
  /** Whether a chunk is told to be finished only once a sync point covers it. */
  readonly waitsForEachChunk: boolean;
}

/** A sync of 64 MiB costs little more than one of 1 MiB; half a second is what a crash may cost on a slow line. */
export const DEFAULT_GROUP_COMMIT: GroupLimits = { maxBytes: 64 * 1024 * 1024, maxDelayMs: 500 };

const NEVER: GroupLimits = { maxBytes: Infinity, maxDelayMs: Infinity };

/** When sync points come in a mode; `limits` are for the modes in which they come by themselves. */
export function policyOf(mode: SyncMode, limits: GroupLimits = DEFAULT_GROUP_COMMIT): GroupCommitPolicy {
  const { maxBytes, maxDelayMs } = mode === 'close' ? NEVER : limits;
  return { maxBytes, maxDelayMs, waitsForEachChunk: mode === 'always' };
}

/** Numbers sync points and decides when they come. */
export interface GroupCommit {
  /** Notes bytes that the store has, of whole chunks and of others. */
  written(bytes: number): void;
  /**
   * Notes a finished chunk, at once; the answer names the sync point that covers it, or will.
   *
   * @throws what a failed sync threw, of which this chunk or an earlier one was a part
   */
  finished(): Promise<SyncStatus>;
  /** Where things stand. */
  status(): SyncStatus;
  /** Asks for a sync point that covers everything written so far. Rejects when the store's sync failed. */
  request(): Promise<SyncStatus>;
  /** Waits for a sync that is under way and starts no more by itself. */
  close(): Promise<void>;
}

/** How a group commit begins. */
export interface GroupCommitOptions {
  /** Told of a sync that failed while nobody waited for it. */
  readonly onFailure?: (error: unknown) => void;
  /** The last sync point of an earlier one over the same chunks; those of this one go on from it. */
  readonly durableSyncPoint?: number;
}

/**
 * Makes a group commit over a store's `sync`.
 *
 * A failed sync is never tried again on its own: its error is what every later call gets, until the session is opened
 * anew from what is durable.
 */
export function createGroupCommit(
  sync: () => Promise<void>,
  policy: GroupCommitPolicy,
  options: GroupCommitOptions = {},
): GroupCommit {
  return new SyncPoints(sync, policy, options);
}

class SyncPoints implements GroupCommit {
  readonly #sync: () => Promise<void>;
  readonly #policy: GroupCommitPolicy;
  readonly #onFailure: (error: unknown) => void;
  #durable: number;
  /** The one that covers what was written last. */
  #newest: number;
  /** The sync point that will cover what is written next. */
  #open: number;
  #dirtyBytes = 0;
  #waiting = 0;
  #closed = false;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(sync: () => Promise<void>, policy: GroupCommitPolicy, options: GroupCommitOptions) {
    const { onFailure = () => {}, durableSyncPoint = 0 } = options;
    this.#sync = sync;
    this.#policy = policy;
    this.#onFailure = onFailure;
    this.#durable = durableSyncPoint;
    this.#newest = durableSyncPoint;
    this.#open = durableSyncPoint + 1;
  }

  status(): SyncStatus {
    return { syncPoint: this.#open, durableSyncPoint: this.#durable };
  }

  written(bytes: number): void {
    // Whose bytes these are is told with the chunk.
    if (this.#failure !== undefined) return;
    this.#newest = this.#open;
    const { maxBytes } = this.#policy;
    const isFull = this.#dirtyBytes < maxBytes && this.#dirtyBytes + bytes >= maxBytes;
    this.#dirtyBytes += bytes;
    if (isFull) this.#background();
    else this.#later();
  }

  async finished(): Promise<SyncStatus> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const syncPoint = this.#open;
    this.#newest = syncPoint;
    if (this.#policy.waitsForEachChunk) await this.request();
    else this.#later();
    return { syncPoint, durableSyncPoint: this.#durable };
  }

  async request(): Promise<SyncStatus> {
    this.#waiting += 1;
    try {
      await this.#reach(this.#newest, () => false);
    } finally {
      this.#waiting -= 1;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.status();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimer();
    await this.#running;
  }

  #later(): void {
    const { maxDelayMs } = this.#policy;
    if (this.#closed || maxDelayMs === Infinity) return;
    this.#timer ??= setTimeout(() => this.#background(), maxDelayMs);
  }

  #background(): void {
    this.#stopTimer();
    void this.#reach(this.#newest, () => this.#closed);
  }

  /** Waits for the sync under way, which covers nothing that was written since it began; then starts the next. */
  async #reach(point: number, stopped: () => boolean): Promise<void> {
    while (this.#durable < point && this.#failure === undefined && !stopped()) {
      this.#running ??= this.#runOnce();
      await this.#running;
    }
  }

  async #runOnce(): Promise<void> {
    this.#stopTimer();
    const covered = this.#open;
    this.#open += 1;
    this.#dirtyBytes = 0;
    try {
      await this.#sync();
      this.#durable = covered;
    } catch (error) {
      this.#failure = { error };
      if (this.#waiting === 0) this.#onFailure(error);
    } finally {
      this.#running = undefined;
    }
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
