/**
 * Sync points shared by many chunks: one `sync` of the store covers everything finished before it began. It comes by
 * bytes, by time, and on request.
 */
import type { SyncStatus } from '../protocol/messages.ts';

/** When a sync point comes by itself. */
export interface GroupCommitPolicy {
  readonly maxBytes: number;
  readonly maxDelayMs: number;
}

/** A sync of 64 MiB costs little more than one of 1 MiB; half a second is what a crash may cost on a slow line. */
export const DEFAULT_GROUP_COMMIT: GroupCommitPolicy = { maxBytes: 64 * 1024 * 1024, maxDelayMs: 500 };

/** Numbers sync points and decides when they come. */
export interface GroupCommit {
  /** Notes a finished chunk; the answer names the sync point that will cover it. */
  finished(bytes: number): SyncStatus;
  /** Where things stand. */
  status(): SyncStatus;
  /** Asks for a sync point that covers everything finished so far. Rejects when the store's sync failed. */
  request(): Promise<SyncStatus>;
  /** Waits for a sync that is under way and starts no more by itself. */
  close(): Promise<void>;
}

/**
 * Makes a group commit over a store's `sync`.
 *
 * A failed sync is never tried again on its own: its error is what every later call gets, until the session is opened
 * anew from what is durable.
 *
 * @param onFailure told of a sync that failed while nobody waited for it
 */
export function createGroupCommit(
  sync: () => Promise<void>,
  policy: GroupCommitPolicy = DEFAULT_GROUP_COMMIT,
  onFailure: (error: unknown) => void = () => {},
): GroupCommit {
  return new SyncPoints(sync, policy, onFailure);
}

class SyncPoints implements GroupCommit {
  readonly #sync: () => Promise<void>;
  readonly #policy: GroupCommitPolicy;
  readonly #onFailure: (error: unknown) => void;
  /** The sync point that will cover what is finished next. */
  #open = 1;
  /** The one that covers what was finished last. */
  #newest = 0;
  #durable = 0;
  #dirtyBytes = 0;
  #waiting = 0;
  #closed = false;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(sync: () => Promise<void>, policy: GroupCommitPolicy, onFailure: (error: unknown) => void) {
    this.#sync = sync;
    this.#policy = policy;
    this.#onFailure = onFailure;
  }

  status(): SyncStatus {
    return { syncPoint: this.#open, durableSyncPoint: this.#durable };
  }

  finished(bytes: number): SyncStatus {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#newest = this.#open;
    const { maxBytes, maxDelayMs } = this.#policy;
    const full = this.#dirtyBytes < maxBytes && this.#dirtyBytes + bytes >= maxBytes;
    this.#dirtyBytes += bytes;
    if (full) this.#background();
    else if (!this.#closed) this.#timer ??= setTimeout(() => this.#background(), maxDelayMs);
    return { syncPoint: this.#newest, durableSyncPoint: this.#durable };
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

  #background(): void {
    this.#stopTimer();
    void this.#reach(this.#newest, () => this.#closed);
  }

  /** Waits for the sync under way, which covers nothing that was finished since it began; then starts the next. */
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
