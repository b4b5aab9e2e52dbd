/**
 * A quick memory that nodes share beside their store, such as Redis. It may be slow, vanish, be emptied, or go back in time at any
 * moment: what it says may save work, or refuse, and never admits what the store would not. No function throws, and each
 * answers within some tens of milliseconds; undefined where the memory is away.
 */

/** How often something happened within a window of time, over all nodes. */
export interface WindowCount {
  readonly count: number;
  /** Milliseconds until the window ends. */
  readonly leftMs: number;
}

/** How often a node has asked its memory. */
export interface AskedCounts {
  readonly answered: number;
  /** No answer in time, or an error. */
  readonly failed: number;
  /** Not asked, since it had not answered before. */
  readonly skipped: number;
}

/** A memory of several nodes. */
export interface SharedMemory {
  /** Tells the other nodes which documents have changed. */
  ring(keys: readonly string[]): Promise<void>;
  /**
   * Calls `onRung` with the keys that other nodes ring, and without keys after an interruption in which any may have been
   * missed. Answers what ends this.
   */
  listen(onRung: (keys: readonly string[] | undefined) => void): () => void;
  /** Counts one more; the first one begins a window of `windowMs`. */
  count(key: string, windowMs: number): Promise<WindowCount | undefined>;
  /** Notes the version of something that the store has just had; an older one than is noted changes nothing. */
  noteVersion(key: string, version: number): Promise<void>;
  /** The highest version that was noted in the last few seconds; another node may have made a higher one. */
  versionOf(key: string): Promise<number | undefined>;
  /**
   * Appends a text to one list of all nodes, and answers the texts of other nodes that stand before it and were not answered
   * yet: of two nodes that append at the same time the later one learns of the earlier one.
   */
  append(text: string): Promise<readonly string[] | undefined>;
  /** Whether it answered the last time that it was asked. */
  readonly isThere: boolean;
  readonly asked: AskedCounts;
  close(): void;
}
