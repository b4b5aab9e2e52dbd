import { CairnError } from '../base/errors.ts';
import { ChunkSet, type ReadonlyChunkSet } from './chunk-set.ts';

/** Digests in one page of memory. */
const PAGE = 1024;

/** {@link ChunkDigests} as JSON: the chunks, and their digests in the same order, one after the other. */
export interface EncodedChunkDigests {
  /** Flattened runs, see {@link ChunkSet.runs}. */
  readonly runs: readonly number[];
  /** Base64 (RFC 4648, section 4, padded) of the digests, ascending by chunk. */
  readonly digests: string;
}

/** The digest of each chunk of a set; takes about `digestLengthBytes` of memory per chunk. */
export class ChunkDigests {
  readonly digestLengthBytes: number;
  readonly #chunks = new ChunkSet();
  readonly #pages = new Map<number, Uint8Array>();

  /** An empty set whose digests are all `digestLengthBytes` long. */
  constructor(digestLengthBytes: number) {
    if (!Number.isInteger(digestLengthBytes) || digestLengthBytes < 1 || digestLengthBytes > 64) {
      throw new CairnError('internal', `a digest of ${digestLengthBytes} bytes is not possible`);
    }
    this.digestLengthBytes = digestLengthBytes;
  }

  /**
   * Reads the output of {@link encode}, which may come from the other side. Refuses chunks at or above `chunkLimit`.
   *
   * @throws CairnError `invalid-request`
   */
  static decode(encoded: EncodedChunkDigests, digestLengthBytes: number, chunkLimit: number): ChunkDigests {
    const set = ChunkSet.fromRuns(encoded.runs, chunkLimit);
    const bytes =
      typeof encoded.digests === 'string' ? Buffer.from(encoded.digests, 'base64') : Buffer.alloc(0);
    // Node skips characters that are not base64: compare with the text that the bytes would give.
    if (bytes.length !== set.size * digestLengthBytes || bytes.toString('base64') !== encoded.digests) {
      throw new CairnError(
        'invalid-request',
        `the digests do not fit the ${set.size} chunks that they claim to describe`,
      );
    }
    const result = new ChunkDigests(digestLengthBytes);
    let at = 0;
    for (const chunk of set.values()) {
      result.set(chunk, bytes.subarray(at, at + digestLengthBytes));
      at += digestLengthBytes;
    }
    return result;
  }

  /** The chunks that have a digest; a live view. */
  get chunks(): ReadonlyChunkSet {
    return this.#chunks;
  }

  /** Whether `chunk` has a digest. */
  has(chunk: number): boolean {
    return this.#chunks.has(chunk);
  }

  /** A copy of the digest of `chunk`. */
  get(chunk: number): Uint8Array | undefined {
    if (!this.#chunks.has(chunk)) return undefined;
    const at = (chunk % PAGE) * this.digestLengthBytes;
    return this.#pages.get(Math.floor(chunk / PAGE))?.slice(at, at + this.digestLengthBytes);
  }

  /** Sets the digest of `chunk` to a copy of `digest`. @throws CairnError `internal` (length), `chunk-out-of-range` */
  set(chunk: number, digest: Uint8Array): void {
    if (digest.byteLength !== this.digestLengthBytes) {
      throw new CairnError(
        'internal',
        `a digest has ${digest.byteLength} bytes, not ${this.digestLengthBytes}`,
      );
    }
    this.#chunks.add(chunk);
    const number = Math.floor(chunk / PAGE);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Uint8Array(PAGE * this.digestLengthBytes);
      this.#pages.set(number, page);
    }
    page.set(digest, (chunk % PAGE) * this.digestLengthBytes);
  }

  /** Forgets `chunk`, if it is there. */
  delete(chunk: number): void {
    this.#chunks.delete(chunk);
  }

  /** The JSON form; {@link decode} reads it. */
  encode(): EncodedChunkDigests {
    const bytes = Buffer.allocUnsafe(this.#chunks.size * this.digestLengthBytes);
    let at = 0;
    for (const chunk of this.#chunks.values()) {
      const from = (chunk % PAGE) * this.digestLengthBytes;
      const page = this.#pages.get(Math.floor(chunk / PAGE));
      if (page !== undefined) bytes.set(page.subarray(from, from + this.digestLengthBytes), at);
      at += this.digestLengthBytes;
    }
    return { runs: this.#chunks.runs(), digests: bytes.toString('base64') };
  }
}
