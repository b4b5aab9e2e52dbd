/** What becomes of a list of entries to delete, while a store carries it out. */
import { printable } from '../base/safe-path.ts';
import type { CairnError } from '../base/errors.ts';
import type { Deletions } from '../manifest/deletions.ts';
import type { EntryList } from '../manifest/entry-table.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../checkpoint/chunk-set.ts';
import type { DeletedEntries } from '../session/pass-record.ts';

/** So many of the entries that stay are named; the others are counted. */
const MAX_NAMED = 100;

/** A list that is carried out, and the report of it. */
export interface RemovalReport {
  /** What the store is told, as `PublishOrder.removal`. */
  readonly removal: {
    readonly entries: EntryList;
    readonly onKept: (entryIndex: number, error: CairnError) => void;
    readonly onSkipped: () => void;
  };
  /** Indices of the entries that stayed. */
  readonly kept: ReadonlyChunkSet;
  /** The result, once the store has published. */
  result(): DeletedEntries;
}

/** Begins the report of a list. */
export function createRemovalReport({ entries }: Pick<Deletions, 'entries'>): RemovalReport {
  const kept = new ChunkSet();
  const named: { code: string; path: string }[] = [];
  let isSkipped = false;
  const onKept = (entryIndex: number, { code }: CairnError): void => {
    if (kept.has(entryIndex)) return;
    kept.add(entryIndex);
    if (named.length < MAX_NAMED) named.push({ code, path: printable(entries.pathOf(entryIndex)) });
  };
  return {
    removal: { entries, onKept, onSkipped: () => void (isSkipped = true) },
    kept,
    result: () => {
      if (isSkipped) return { ...NOTHING_DELETED, isSkipped };
      let bytes = 0;
      for (let index = 0; index < entries.length; index += 1)
        if (!kept.has(index)) bytes += entries.sizeOf(index);
      const count = entries.length - kept.size;
      return { entries: count, bytes, kept: named.toReversed(), unlisted: kept.size - named.length };
    },
  };
}

/** The result where no list was carried out. */
export const NOTHING_DELETED: DeletedEntries = { entries: 0, bytes: 0, kept: [], unlisted: 0 };
