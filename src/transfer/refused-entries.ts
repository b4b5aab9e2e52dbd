/** Entries that cannot be put in their place: reported and excluded, so that they never stop the others. */
import { CairnError, type ErrorCode } from '../base/errors.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import type { EntryList } from '../manifest/entry-table.ts';

/** Failures of one entry and its place. A full disk, an I/O error or too many open files concern all entries. */
const OF_ONE_ENTRY: ReadonlySet<ErrorCode> = new Set([
  'storage-denied',
  'storage-read-only',
  'storage-unsupported',
  'path-too-long',
  'path-unsafe',
  'path-reserved',
  'is-directory',
  'not-directory',
  'not-found',
  'symlink-refused',
  'destination-exists',
]);

/** Whether a failure concerns one entry alone, so that the others can still be published. */
export function isOfOneEntry(error: unknown): error is CairnError {
  return error instanceof CairnError && OF_ONE_ENTRY.has(error.code);
}

/** Called with each entry that is not published, or without its mode and time; see `PublishOrder`. */
export type RefusalSink = (entryIndex: number, error: CairnError) => void;

/** The refused entries of one publishing. */
export class RefusedEntries {
  readonly #entries: EntryList;
  readonly #tell: RefusalSink | undefined;
  readonly #refused = new ChunkSet();
  #first: unknown;

  /** Without `tell` it excludes no entry: the first refusal ends the publishing. */
  constructor(entries: EntryList, tell: RefusalSink | undefined) {
    this.#entries = entries;
    this.#tell = tell;
  }

  /** How many entries are excluded. */
  get size(): number {
    return this.#refused.size;
  }

  /** Whether an entry is excluded. */
  has(entryIndex: number): boolean {
    return this.#refused.has(entryIndex);
  }

  /**
   * Excludes an entry and all that is below it.
   *
   * @throws `error` itself where it concerns more than one entry, without `tell`, and for the root of the transfer,
   * which every other entry needs
   */
  refuse(entryIndex: number, error: unknown): void {
    const path = this.#entries.pathOf(entryIndex);
    if (path === '') throw error;
    this.#leaveOut(entryIndex, error);
    for (let index = entryIndex + 1; index < this.#entries.length; index += 1) {
      if (!this.#entries.pathOf(index).startsWith(`${path}/`)) return;
      if (!this.has(index)) this.#leaveOut(index, error);
    }
  }

  /** The bytes of an entry are in place, its mode and time cannot be set. @throws `error` like {@link refuse} */
  refuseAttributes(entryIndex: number, error: unknown): void {
    if (this.#tell === undefined || !isOfOneEntry(error)) throw error;
    this.#tell(entryIndex, error);
  }

  /** Reports an entry that is in place with a small difference; without `tell` the difference is accepted. */
  note(entryIndex: number, error: CairnError): void {
    this.#tell?.(entryIndex, error);
  }

  /** Refuses a publishing of which every entry failed. @throws the first refusal */
  checkSomeLeft(): void {
    if (this.#refused.size > 0 && this.#refused.size === this.#entries.length) throw this.#first;
  }

  #leaveOut(entryIndex: number, error: unknown): void {
    if (this.#tell === undefined || !isOfOneEntry(error)) throw error;
    this.#first ??= error;
    this.#refused.add(entryIndex);
    this.#tell(entryIndex, error);
  }
}
