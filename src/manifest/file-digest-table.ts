/** The digests of many files in little memory: 33 bytes each, by the index of the entry. */

const DIGEST_BYTES = 32;
/** A mark, then the digest. */
const ROW_BYTES = 1 + DIGEST_BYTES;
const PAGE_ENTRIES = 2048;
const MARK = { absent: 0, digest: 1, none: 2 } as const;

/** Read access to {@link FileDigests} of another owner. */
export type ReadonlyFileDigests = Pick<FileDigests, 'get' | 'has' | 'size'>;

/** File digests of 64 hex digits; null for a file that cannot be read. */
export class FileDigests {
  readonly #pages = new Map<number, Buffer>();
  #size = 0;

  /** Number of entries with a digest or null. */
  get size(): number {
    return this.#size;
  }

  has(entryIndex: number): boolean {
    return this.get(entryIndex) !== undefined;
  }

  /** The digest of an entry; null where it cannot be read, undefined where it is not known yet. */
  get(entryIndex: number): string | null | undefined {
    const page = this.#pages.get(Math.floor(entryIndex / PAGE_ENTRIES));
    const row = (entryIndex % PAGE_ENTRIES) * ROW_BYTES;
    if (page === undefined || page[row] === MARK.absent) return undefined;
    return page[row] === MARK.digest ? page.toString('hex', row + 1, row + ROW_BYTES) : null;
  }

  set(entryIndex: number, digest: string | null): void {
    const number = Math.floor(entryIndex / PAGE_ENTRIES);
    let page = this.#pages.get(number);
    if (page === undefined) this.#pages.set(number, (page = Buffer.alloc(PAGE_ENTRIES * ROW_BYTES)));
    const row = (entryIndex % PAGE_ENTRIES) * ROW_BYTES;
    if (page[row] === MARK.absent) this.#size += 1;
    page[row] = digest === null ? MARK.none : MARK.digest;
    if (digest !== null) page.write(digest, row + 1, DIGEST_BYTES, 'hex');
  }
}
