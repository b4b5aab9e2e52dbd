/** What the engine needs of a place that chunks are received into: a port, which every content store offers. */

/** Staged chunks: what is held of each, and how more of it comes in. */
export interface ChunkStore {
  /** Chunks that are not whole, and how many of their first bytes are there. */
  held(): ReadonlyMap<number, number>;
  /**
   * Starts to write a chunk at `offset`: 0, or what `held` says of it. Only one writer a chunk at a time: an older
   * writer of the same chunk is cut off and its later calls throw `chunk-conflict`.
   */
  write(chunk: number, offset: number): Promise<ChunkWriter>;
  /** The staged bytes of a chunk from its start, held or whole. */
  read(chunk: number): AsyncIterable<Uint8Array>;
}

/** Writes one chunk in order. Ends by `finish`, `hold` or `drop`. */
export interface ChunkWriter {
  /** Takes pieces; resolves when their memory may be used again, and more may come. */
  write(pieces: Uint8Array[]): Promise<void>;
  /** The chunk is whole and its digest agreed: it will be part of the next sync point. */
  finish(digest: Uint8Array): Promise<void>;
  /** The sender is gone: keeps what came, where the store holds partial chunks. */
  hold(): Promise<void>;
  /** What came is wrong: forgets it, durably. */
  drop(): Promise<void>;
}
