/** Entries that cannot be put in their place: named and left out, so that they never keep the others from theirs. */
import { CairnError, type ErrorCode } from '../base/errors.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import type { EntryList } from '../manifest/entry-table.ts';

/** What belongs to one entry and its place. A full disk, an I/O error or too many open files belong to all of them. */
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

/** Whether a failure says something of one entry alone, so that the others can still be published. */
export function isOfOneEntry(error: unknown): error is CairnError {
  return error instanceof CairnError && OF_ONE_ENTRY.has(error.code);
}

/** Told of each entry that is not published, or not with its mode and time; see `PublishOrder`. */
export type RefusalSink = (entryIndex: number, error: CairnError) => void;

/** The entries of one publishing that are refused. */
export class RefusedEntries {
  readonly #entries: EntryList;
  readonly #tell: RefusalSink | undefined;
  readonly #refused = new ChunkSet();
  #first: unknown;

  /** Without `tell` nothing is left out: the first refusal ends the publishing. */
  constructor(entries: EntryList, tell: RefusalSink | undefined) {
    this.#entries = entries;
    this.#tell = tell;
  }

  /** Whether an entry is left out. */
  has(entryIndex: number): boolean {
    return this.#refused.has(entryIndex);
  }

  /**
   * Leaves out an entry and all that is below it.
   *
   * @throws `error` itself where it is not of one entry, where nobody wants to be told, and for the root of the transfer:
   * nothing can be published without that
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

  /** The bytes of an entry are in their place; its mode and time cannot be. @throws `error` like {@link refuse} */
  refuseAttributes(entryIndex: number, error: unknown): void {
    if (this.#tell === undefined || !isOfOneEntry(error)) throw error;
    this.#tell(entryIndex, error);
  }

  /** An entry is in its place, and not quite as it was; where nobody wants to be told, it is good enough. */
  note(entryIndex: number, error: CairnError): void {
    this.#tell?.(entryIndex, error);
  }

  /** Where all is refused there is no rest that could have arrived. @throws the first refusal */
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
