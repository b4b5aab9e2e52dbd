/** The identities with which sources are read; they may change while the bytes stay. */
import type { Identity } from '../manifest/entry.ts';
import { mayHaveSameBytes } from '../manifest/identity.ts';
import type { StringList } from '../manifest/string-table.ts';
import type { FoundSource } from './source-lookup.ts';

/** A source that is touched more often in one pass of a push, or while a pull is open, counts as changed. */
const MAX_TOUCHES = 16;

interface Touched {
  readonly identity: Identity;
  readonly times: number;
  /** The number of this touch among those of all entries. */
  readonly last: number;
}

/** The expected identities of the entries of one transfer. */
export class SourceVersions {
  readonly #scanned: StringList;
  readonly #onTouched: (entryIndex: number) => void;
  readonly #touched = new Map<number, Touched>();
  #touches = 0;

  /** Starts with the identities of the scan. */
  constructor(scanned: StringList, onTouched: (entryIndex: number) => void) {
    this.#scanned = scanned;
    this.#onTouched = onTouched;
  }

  /** The number of touches of all entries. */
  get touches(): number {
    return this.#touches;
  }

  /** The identity with which to read an entry. */
  of(entryIndex: number): Identity | undefined {
    return this.#touched.get(entryIndex)?.identity ?? this.#scanned.at(entryIndex);
  }

  /** The number of the last touch of an entry; 0 where there was none. */
  lastTouchOf(entryIndex: number): number {
    return this.#touched.get(entryIndex)?.last ?? 0;
  }

  /**
   * Whether an entry that differed from `expected` may still have the bytes of the scan. From then on its reads expect
   * the identity in `found`, and the bytes read before need a proof.
   */
  accept(entryIndex: number, found: FoundSource | undefined, expected: Identity | undefined): boolean {
    if (found === undefined || !('identity' in found) || expected === undefined) return false;
    const known = this.of(entryIndex);
    // Another read of the same entry has noticed the change first.
    if (found.identity === known) return known !== expected;
    const times = (this.#touched.get(entryIndex)?.times ?? 0) + 1;
    if (times > MAX_TOUCHES || !mayHaveSameBytes(found.identity, expected)) return false;
    this.#touches += 1;
    this.#touched.set(entryIndex, { identity: found.identity, times, last: this.#touches });
    this.#onTouched(entryIndex);
    return true;
  }
}
