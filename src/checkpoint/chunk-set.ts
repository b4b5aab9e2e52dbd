import { CairnError } from '../base/errors.ts';

/** One more than the highest chunk number. */
const CHUNK_LIMIT = 2 ** 32;
/** Chunks in one page: a high chunk number costs 8 KiB, not half a gigabyte. */
const PAGE = 65_536;
const WORDS = PAGE / 32;

/** The read-only part of a {@link ChunkSet}, for code that does not own it. */
export type ReadonlyChunkSet = Pick<
  ChunkSet,
  'has' | 'size' | 'equals' | 'runs' | 'values' | 'firstMissing' | 'copy'
>;

function popcount(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return (((bits + (bits >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24;
}

function invalidRuns(why: string): CairnError {
  return new CairnError('invalid-request', `the chunk runs are not valid: ${why}`);
}

/** A set of chunk numbers (0 to 2^32 − 1): a bitmap in pages, which take memory only where they are in use. */
export class ChunkSet {
  readonly #pages = new Map<number, Uint32Array>();
  #size = 0;
  /** All chunks in the set are below this number. */
  #end = 0;

  /**
   * The set with the flattened `runs` [start, length, …], which may come from the other side: integers, ascending, not
   * overlapping, nothing at or above `limit`.
   *
   * @throws CairnError `invalid-request`
   */
  static fromRuns(runs: readonly number[], limit: number): ChunkSet {
    if (!Array.isArray(runs) || runs.length % 2 !== 0) throw invalidRuns('a start or a length is missing');
    const { set, add } = ChunkSet.building(limit);
    for (let index = 0; index < runs.length; index += 2)
      add(runs[index] as number, runs[index + 1] as number);
    return set;
  }

  /**
   * An empty set, and a function that adds runs one by one, with the checks of {@link ChunkSet.fromRuns}.
   *
   * @throws CairnError `invalid-request` from `add`
   */
  static building(limit: number): { set: ChunkSet; add: (start: number, length: number) => void } {
    const set = new ChunkSet();
    const add = (start: number, length: number): void => {
      if (!Number.isSafeInteger(start) || !Number.isSafeInteger(length)) throw invalidRuns('not an integer');
      if (start < set.#end || length < 1) throw invalidRuns('not ascending');
      const end = start + length;
      if (end > limit || end > CHUNK_LIMIT) throw invalidRuns(`chunk ${end - 1} is out of range`);
      set.addRun(start, length);
    };
    return { set, add };
  }

  /** Whether both sets have the same chunks. */
  equals(other: ReadonlyChunkSet): boolean {
    if (this.#size !== other.size) return false;
    for (const chunk of this.values()) if (!other.has(chunk)) return false;
    return true;
  }

  /** How many chunks are in the set. */
  get size(): number {
    return this.#size;
  }

  /** Whether `chunk` is in the set; false for a value that is no chunk number. */
  has(chunk: number): boolean {
    const word = this.#pages.get(Math.floor(chunk / PAGE))?.[(chunk % PAGE) >>> 5] ?? 0;
    return ((word >>> (chunk & 31)) & 1) === 1 && Number.isInteger(chunk);
  }

  /** Adds one chunk. @throws CairnError `chunk-out-of-range` */
  add(chunk: number): void {
    this.addRun(chunk, 1);
  }

  /** Adds `length` chunks from `start` on. @throws CairnError `chunk-out-of-range` */
  addRun(start: number, length: number): void {
    const end = start + length;
    if (
      !Number.isInteger(start) ||
      !Number.isInteger(length) ||
      start < 0 ||
      length < 0 ||
      end > CHUNK_LIMIT
    ) {
      throw new CairnError('chunk-out-of-range', `there is no chunk ${start} to ${end - 1}`);
    }
    for (let chunk = start; chunk < end;) {
      const bit = chunk % 32;
      const count = Math.min(32 - bit, end - chunk);
      const mask = (count === 32 ? 0xffff_ffff : ((1 << count) - 1) << bit) >>> 0;
      const page = this.#pageAt(chunk);
      const index = (chunk % PAGE) >>> 5;
      const before = page[index] ?? 0;
      page[index] = before | mask;
      this.#size += popcount(mask & ~before);
      chunk += count;
    }
    if (length > 0) this.#end = Math.max(this.#end, end);
  }

  /** Removes one chunk, if it is in the set. */
  delete(chunk: number): void {
    if (!this.has(chunk)) return;
    const page = this.#pageAt(chunk);
    const index = (chunk % PAGE) >>> 5;
    page[index] = (page[index] ?? 0) & ~(1 << (chunk & 31));
    this.#size -= 1;
  }

  /** Adds all chunks of `other`. */
  addAll(other: ReadonlyChunkSet): void {
    const runs = other.runs();
    for (let index = 0; index < runs.length; index += 2)
      this.addRun(runs[index] as number, runs[index + 1] as number);
  }

  /** An independent copy of the set. */
  copy(): ChunkSet {
    const copy = new ChunkSet();
    for (const [number, page] of this.#pages) copy.#pages.set(number, page.slice());
    copy.#size = this.#size;
    copy.#end = this.#end;
    return copy;
  }

  /** The longest runs of neighbours, ascending and flattened: [start, length, start, length, …]. */
  runs(): number[] {
    const runs: number[] = [];
    for (let start = this.#find(0, this.#end, true); start < this.#end;) {
      const end = this.#find(start, this.#end, false);
      runs.push(start, end - start);
      start = this.#find(end, this.#end, true);
    }
    return runs;
  }

  /** The chunks, ascending. The set must not change during the iteration. */
  *values(): IterableIterator<number> {
    for (let chunk = this.#find(0, this.#end, true); chunk < this.#end;) {
      yield chunk;
      chunk = this.#find(chunk + 1, this.#end, true);
    }
  }

  /** The lowest chunk from `from` on that is not in the set; `limit` when all below it are. */
  firstMissing(from: number, limit: number): number {
    return this.#find(from, limit, false);
  }

  /** The longest runs of neighbours below `limit` that are not in the set, as {@link runs} has them. */
  gaps(limit: number): number[] {
    const gaps: number[] = [];
    for (let start = this.#find(0, limit, false); start < limit;) {
      const end = this.#find(start, limit, true);
      gaps.push(start, end - start);
      start = this.#find(end, limit, false);
    }
    return gaps;
  }

  #pageAt(chunk: number): Uint32Array {
    const number = Math.floor(chunk / PAGE);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Uint32Array(WORDS);
      this.#pages.set(number, page);
    }
    return page;
  }

  /** The lowest number from `from` on that is in the set (`present`) or not in it; `limit` when there is none below. */
  #find(from: number, limit: number, present: boolean): number {
    let chunk = from;
    while (chunk < limit) {
      const page = this.#pages.get(Math.floor(chunk / PAGE));
      if (page === undefined) {
        if (!present) return chunk;
        chunk = (Math.floor(chunk / PAGE) + 1) * PAGE;
        continue;
      }
      const word = page[(chunk % PAGE) >>> 5] ?? 0;
      const bits = (present ? word : ~word) >>> (chunk & 31);
      // x & −x keeps only the lowest bit, whose index is the remaining distance.
      if (bits !== 0) return Math.min(limit, chunk + 31 - Math.clz32(bits & -bits));
      chunk += 32 - (chunk % 32);
    }
    return limit;
  }
}
