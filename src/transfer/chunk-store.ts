/** The engine's port for the staging of received chunks; every content store implements it. */

/** Staged chunks: the partial ones, and the way to add bytes to them. */
export interface ChunkStore {
  /** Partial chunks, and how many of their first bytes are staged. */
  partialChunks(): ReadonlyMap<number, number>;
  /**
   * Starts to write a chunk at `offset`: 0, or the number in {@link partialChunks}. A chunk has one writer: a new one cuts
   * off an older one, whose later calls throw `chunk-conflict`.
   */
  write(chunk: number, offset: number): Promise<ChunkWriter>;
  /** The staged bytes of a chunk from its start, partial or whole. */
  read(chunk: number): AsyncIterable<Uint8Array>;
}

/** Writes one chunk in order. It ends with `finish`, `hold` or `drop`. */
export interface ChunkWriter {
  /** Takes pieces; resolves when the caller may reuse their memory and send more. */
  write(pieces: Uint8Array[]): Promise<void>;
  /** The chunk is whole and its digest agreed: the next sync point will cover it. */
  finish(digest: Uint8Array): Promise<void>;
  /** The sender is gone: keeps the bytes that arrived, where the store supports partial chunks. */
  hold(): Promise<void>;
  /** The bytes that arrived are wrong: forgets them, durably. */
  drop(): Promise<void>;
}
