/** The bounded buffer of a stream that is pushed: its chunks stay here until a sync point of the server covers them. */
import { CairnError } from '../../base/errors.ts';
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import { sameDigest } from '../../manifest/digest.ts';

/** A chunk of the stream in memory. */
export interface WindowChunk {
  readonly chunk: number;
  /** The bytes; they stay as they are while the chunk is in the window. */
  readonly bytes: Uint8Array;
  readonly slot: Buffer;
  state: 'todo' | 'busy' | 'sent';
  /** Known once the chunk was sent whole. */
  digest: Uint8Array | undefined;
  syncPoint: number;
  /** A busy chunk that turned out to be durable already. */
  isSettled: boolean;
}

/** The window over a stream. Its memory is allocated as it is needed, and used again. */
export class StreamWindow {
  /** Digests of all chunks that are durable. */
  readonly digests: ChunkDigests;
  readonly #chunkSizeBytes: number;
  readonly #capacity: number;
  readonly #chunks = new Map<number, WindowChunk>();
  readonly #free: Buffer[] = [];
  #slots = 0;
  #current: Buffer | undefined;
  #used = 0;
  #next = 0;
  #bytesTotal = 0;
  #hasEnded = false;

  /** A window of at most `capacity` chunks, the one that is being filled among them. */
  constructor(chunkSizeBytes: number, capacity: number, digestLengthBytes: number) {
    this.#chunkSizeBytes = chunkSizeBytes;
    this.#capacity = capacity;
    this.digests = new ChunkDigests(digestLengthBytes);
  }

  /** Bytes of the stream so far. */
  get bytesTotal(): number {
    return this.#bytesTotal;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Chunks to send or being sent. */
  get open(): number {
    return this.#in('todo', 'busy').length;
  }

  /** Chunks that were sent and are not durable yet. */
  get uncovered(): number {
    return this.#in('sent').length;
  }

  /** Takes up to the rest of the current chunk from `piece`; answers how many bytes. 0: wait until something is free. */
  fill(piece: Uint8Array): number {
    this.#current ??= this.#slot();
    if (this.#current === undefined) return 0;
    const take = Math.min(piece.byteLength, this.#chunkSizeBytes - this.#used);
    this.#current.set(piece.subarray(0, take), this.#used);
    this.#used += take;
    this.#bytesTotal += take;
    if (this.#used === this.#chunkSizeBytes) this.#close();
    return take;
  }

  /** The stream has ended: the rest is its last chunk. */
  end(): void {
    this.#close();
    this.#hasEnded = true;
  }

  /** The lowest chunk to send, now busy. */
  take(): WindowChunk | undefined {
    const [chunk] = this.#in('todo').toSorted((a, b) => a.chunk - b.chunk);
    if (chunk !== undefined) chunk.state = 'busy';
    return chunk;
  }

  /** A busy chunk was sent; it is durable with `syncPoint`. */
  sent(chunk: WindowChunk, syncPoint: number): void {
    chunk.state = 'sent';
    chunk.syncPoint = syncPoint;
    if (chunk.isSettled) this.#letGo(chunk);
  }

  /** The server has reached a sync point: what it covers is let go. */
  reached(syncPoint: number): void {
    for (const chunk of this.#in('sent')) if (chunk.syncPoint <= syncPoint) this.#letGo(chunk);
  }

  /**
   * A new epoch begins with what the server has. Answers the chunks that were sent and are lost.
   *
   * @throws CairnError `session-aborted` where something is lost that had been durable
   */
  restart(there: ChunkDigests): WindowChunk[] {
    checkDurable(this.digests, there);
    const lost: WindowChunk[] = [];
    for (const chunk of this.#in('busy', 'sent')) {
      const found = there.get(chunk.chunk);
      const isThere = found !== undefined && chunk.digest !== undefined && sameDigest(found, chunk.digest);
      if (isThere && chunk.state === 'sent') this.#letGo(chunk);
      else if (isThere) chunk.isSettled = true;
      else if (chunk.state === 'sent') {
        chunk.state = 'todo';
        lost.push(chunk);
      }
    }
    return lost;
  }

  #in(...states: WindowChunk['state'][]): WindowChunk[] {
    return [...this.#chunks.values()].filter(({ state }) => states.includes(state));
  }

  #slot(): Buffer | undefined {
    const reused = this.#free.pop();
    if (reused !== undefined || this.#slots === this.#capacity) return reused;
    this.#slots += 1;
    return Buffer.allocUnsafeSlow(this.#chunkSizeBytes);
  }

  #close(): void {
    const slot = this.#current;
    if (slot === undefined || this.#used === 0) return;
    const chunk = this.#next;
    const bytes = slot.subarray(0, this.#used);
    this.#chunks.set(chunk, {
      chunk,
      bytes,
      slot,
      state: 'todo',
      digest: undefined,
      syncPoint: 0,
      isSettled: false,
    });
    this.#next += 1;
    this.#current = undefined;
    this.#used = 0;
  }

  #letGo({ chunk, digest, slot }: WindowChunk): void {
    if (digest === undefined) throw new CairnError('internal', `chunk ${chunk} was sent without a digest`);
    this.digests.set(chunk, digest);
    this.#free.push(slot);
    this.#chunks.delete(chunk);
  }
}

/** What was durable cannot be sent again: the stream has gone by. */
function checkDurable(digests: ChunkDigests, there: ChunkDigests): void {
  for (const chunk of digests.chunks.values()) {
    const found = there.get(chunk);
    if (found !== undefined && sameDigest(found, digests.get(chunk)!)) continue;
    throw new CairnError(
      'session-aborted',
      'the server has lost a part of the stream that it had made durable, and a stream cannot be read twice; run the command again to start over',
      { details: { chunk } },
    );
  }
}
