/**
 * Sync points shared by many chunks: one `sync` of the store covers every byte that was written before it began. Bytes,
 * time and requests start one, as the sync mode allows.
 */
import type { SyncStatus } from '../wire/messages.ts';
import type { SyncMode } from '../session/sync-mode.ts';

/** The most that an automatic sync point covers. */
export interface GroupLimits {
  /** The number of bytes that starts one; Infinity: never. */
  readonly maxBytes: number;
  /** Starts one this long after the first byte that it covers; Infinity: never. */
  readonly maxDelayMs: number;
}

/** The rules for starting sync points. */
export interface GroupCommitPolicy extends GroupLimits {
  /** Whether the receiver reports a chunk as finished only after a sync point covers it. */
  readonly waitsForEachChunk: boolean;
}

/** A sync of 64 MiB costs little more than one of 1 MiB; on a slow line a crash may cost half a second. */
export const DEFAULT_GROUP_COMMIT: GroupLimits = { maxBytes: 64 * 1024 * 1024, maxDelayMs: 500 };

const NEVER: GroupLimits = { maxBytes: Infinity, maxDelayMs: Infinity };

/** The rules of a mode; `limits` apply in the modes that have automatic sync points. */
export function policyOf(mode: SyncMode, limits: GroupLimits = DEFAULT_GROUP_COMMIT): GroupCommitPolicy {
  const { maxBytes, maxDelayMs } = mode === 'close' ? NEVER : limits;
  return { maxBytes, maxDelayMs, waitsForEachChunk: mode === 'always' };
}

/** Numbers sync points and starts them. */
export interface GroupCommit {
  /** Notes bytes that the store has, of whole and partial chunks. */
  written(bytes: number): void;
  /**
   * Notes a finished chunk, at once; the answer names the sync point that covers it, or will.
   *
   * @throws the error of a failed sync that covered this chunk or an earlier one
   */
  finished(): Promise<SyncStatus>;
  /** The current sync point, and the last durable one. */
  status(): SyncStatus;
  /** Asks for a sync point that covers everything written so far. Rejects when the store's sync failed. */
  request(): Promise<SyncStatus>;
  /** Waits for a sync that runs; starts no more automatic ones. */
  close(): Promise<void>;
}

/** The initial state of a group commit. */
export interface GroupCommitOptions {
  /** Called when a sync fails for which no caller waited. */
  readonly onFailure?: (error: unknown) => void;
  /** The last sync point of an earlier group commit over the same chunks; the numbers continue from it. */
  readonly durableSyncPoint?: number;
}

/**
 * Makes a group commit over a store's `sync`.
 *
 * A failed sync is never tried again: every later call throws its error, until the session is opened
 * anew from the durable chunks.
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
  /** The sync point that covers the last write. */
  #newest: number;
  /** The sync point that will cover the next write. */
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
    // The chunk that has these bytes gets the error.
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

  /** Waits for the sync that runs, which covers only earlier writes; then starts the next. */
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
