/** The identities that sources are read with; they may move on while the bytes stay. */
import type { Identity } from '../manifest/entry.ts';
import { mayHaveSameBytes } from '../manifest/identity.ts';
import type { StringList } from '../manifest/string-table.ts';
import type { FoundSource } from './source-lookup.ts';

/** A source that is touched more often than this in one pass of a push, or while a pull is open, is one that changes. */
const MAX_TOUCHES = 16;

interface Touched {
  readonly identity: Identity;
  readonly times: number;
  /** The number of this touch among all. */
  readonly last: number;
}

/** The identities that are expected of the entries of one transfer. */
export class SourceVersions {
  readonly #scanned: StringList;
  readonly #onTouched: (entryIndex: number) => void;
  readonly #touched = new Map<number, Touched>();
  #touches = 0;

  /** Begins with what was scanned. */
  constructor(scanned: StringList, onTouched: (entryIndex: number) => void) {
    this.#scanned = scanned;
    this.#onTouched = onTouched;
  }

  /** Touches in all. */
  get touches(): number {
    return this.#touches;
  }

  /** The identity that an entry is to be read with. */
  of(entryIndex: number): Identity | undefined {
    return this.#touched.get(entryIndex)?.identity ?? this.#scanned.at(entryIndex);
  }

  /** The number of the last touch of an entry; 0 where there was none. */
  lastTouchOf(entryIndex: number): number {
    return this.#touched.get(entryIndex)?.last ?? 0;
  }

  /**
   * Whether an entry that was not as `expected` may still have the bytes that were scanned. From then on it is read as
   * what was found, and what was read before is to be proved.
   */
  accept(entryIndex: number, found: FoundSource | undefined, expected: Identity | undefined): boolean {
    if (found === undefined || !('identity' in found) || expected === undefined) return false;
    const known = this.of(entryIndex);
    // Another read of the same entry has seen it first.
    if (found.identity === known) return known !== expected;
    const times = (this.#touched.get(entryIndex)?.times ?? 0) + 1;
    if (times > MAX_TOUCHES || !mayHaveSameBytes(found.identity, expected)) return false;
    this.#touches += 1;
    this.#touched.set(entryIndex, { identity: found.identity, times, last: this.#touches });
    this.#onTouched(entryIndex);
    return true;
  }
}
