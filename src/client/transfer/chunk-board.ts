/** Which chunks of a transfer are to do, on their way, finished, and durable. Pure. */
import { CairnError } from '../../base/errors.ts';
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import { sameDigest } from '../../manifest/digest.ts';

const STATE = { todo: 0, busy: 1, finished: 2, durable: 3, unneeded: 4 } as const;
type State = (typeof STATE)[keyof typeof STATE];

/** A chunk with the digest that it has at the receiver. */
export type DurableChunk = readonly [chunk: number, digest: Uint8Array];

/** The chunks of one transfer; all are to do at first. */
export class ChunkBoard {
  /** Digests of all chunks that were read, finished or found durable; only those of durable ones are final. */
  readonly digests: ChunkDigests;
  readonly #states: Uint8Array;
  /** Sync points by which finished chunks will be durable. */
  readonly #syncPoints = new Map<number, number>();
  /** What was known of chunks before they were doubted. */
  readonly #doubted = new Map<number, { readonly state: State; readonly syncPoint: number | undefined }>();
  #open: number;
  /** No chunk below is to do. */
  #cursor = 0;

  /** A board of `chunkCount` chunks. */
  constructor(chunkCount: number, digestLengthBytes: number) {
    this.digests = new ChunkDigests(digestLengthBytes);
    this.#states = new Uint8Array(chunkCount);
    this.#open = chunkCount;
  }

  /** Chunks that are to do or on their way. */
  get open(): number {
    return this.#open;
  }

  /** Whether a chunk is known to be durable at the receiver. */
  isDurable(chunk: number): boolean {
    return this.#states[chunk] === STATE.durable;
  }

  /** Whether a chunk was not looked at yet, or has to be looked at again. */
  isTodo(chunk: number): boolean {
    return this.#states[chunk] === STATE.todo;
  }

  /** The lowest chunk that is to do, now busy; undefined where there is none. */
  take(): number | undefined {
    while (this.#cursor < this.#states.length && this.#states[this.#cursor] !== STATE.todo) this.#cursor += 1;
    if (this.#cursor >= this.#states.length) return undefined;
    const chunk = this.#cursor;
    this.#set(chunk, STATE.busy);
    return chunk;
  }

  /** This chunk is looked into: it is busy without having been taken. */
  reserve(chunk: number): void {
    this.#set(chunk, STATE.busy);
  }

  /** A chunk that is at the receiver may have other bytes by now; it is busy until it is confirmed, or sent. */
  doubt(chunk: number): boolean {
    const state = this.#states[chunk];
    if (state !== STATE.finished && state !== STATE.durable) return false;
    this.#doubted.set(chunk, { state, syncPoint: this.#syncPoints.get(chunk) });
    this.#set(chunk, STATE.busy);
    return true;
  }

  /** The bytes of a doubted chunk are those that were sent; false where it is not doubted. */
  confirm(chunk: number): boolean {
    const before = this.#doubted.get(chunk);
    if (before === undefined) return false;
    this.#set(chunk, before.state);
    if (before.syncPoint !== undefined) this.#syncPoints.set(chunk, before.syncPoint);
    return true;
  }

  /** Whether a chunk is doubted. */
  isDoubted(chunk: number): boolean {
    return this.#doubted.has(chunk);
  }

  /** A busy chunk is to do again. */
  giveBack(chunk: number): void {
    if (this.#states[chunk] === STATE.busy) this.#set(chunk, STATE.todo);
  }

  /** A chunk is whole at the receiver, durable with `syncPoint`. */
  finish(chunk: number, digest: Uint8Array, syncPoint: number): void {
    this.digests.set(chunk, digest);
    this.#set(chunk, STATE.finished);
    this.#syncPoints.set(chunk, syncPoint);
  }

  /** This chunk is not needed. */
  skip(chunk: number): void {
    this.#set(chunk, STATE.unneeded);
  }

  /** A chunk is known to be durable with this digest. */
  trust(chunk: number, digest: Uint8Array): void {
    this.digests.set(chunk, digest);
    this.#set(chunk, STATE.durable);
  }

  /** The receiver has reached a sync point; answers the chunks that are durable by it and were not before. */
  reached(syncPoint: number): DurableChunk[] {
    const covered: DurableChunk[] = [];
    for (const [chunk, point] of this.#syncPoints) {
      if (point <= syncPoint) covered.push(this.#makeDurable(chunk));
    }
    return covered;
  }

  /**
   * A new epoch begins with what the receiver has. Finished and durable chunks that are not there are to do again, and
   * answered as lost; those that are there with the digest that was sent are durable.
   */
  restart(there: ChunkDigests): { readonly lost: number[]; readonly durable: DurableChunk[] } {
    const lost: number[] = [];
    const durable: DurableChunk[] = [];
    for (const chunk of this.digests.chunks.copy().values()) {
      const state = this.#states[chunk];
      if (state === STATE.unneeded) continue;
      const found = there.get(chunk);
      const isThere = found !== undefined && sameDigest(found, this.digests.get(chunk)!);
      if (isThere && state !== STATE.durable) durable.push(this.#makeDurable(chunk));
      else if (!isThere && (state === STATE.finished || state === STATE.durable)) {
        this.#set(chunk, STATE.todo);
        lost.push(chunk);
      }
    }
    return { lost, durable };
  }

  /** These chunks are not there, whatever was said before. */
  miss(chunks: Iterable<number>): void {
    for (const chunk of chunks) if (this.#states[chunk] !== STATE.busy) this.#set(chunk, STATE.todo);
  }

  #makeDurable(chunk: number): DurableChunk {
    this.#set(chunk, STATE.durable);
    return [chunk, this.digests.get(chunk)!];
  }

  #set(chunk: number, state: State): void {
    const before = this.#states[chunk];
    if (before === undefined) throw new CairnError('chunk-out-of-range', `there is no chunk ${chunk}`);
    const wasOpen = before <= STATE.busy;
    const isOpen = state <= STATE.busy;
    if (wasOpen !== isOpen) this.#open += isOpen ? 1 : -1;
    this.#states[chunk] = state;
    if (state !== STATE.finished) this.#syncPoints.delete(chunk);
    if (state !== STATE.busy) this.#doubted.delete(chunk);
    if (state === STATE.todo) this.#cursor = Math.min(this.#cursor, chunk);
  }
}
