/** A tree in batches that can each be a transfer: entries in canonical order, with the directories above them. */
import type { ScannedEntry } from '../../manifest/entry.ts';
import { EntryTable } from '../../manifest/entry-table.ts';
import { StringTable, type StringList } from '../../manifest/string-table.ts';
import { isBelow } from '../entry-tree/tree-entry.ts';

/** Some entries of a tree. */
export interface TreeBatch {
  readonly entries: EntryTable;
  /** Of the entries, in their order. */
  readonly identities: StringList;
  /** How many of them are not in a batch before. */
  readonly newEntries: number;
}

/** Cuts a scan of a whole tree, by its entries alone: the same tree gives the same batches. */
export async function* treeBatches(
  scan: AsyncIterable<readonly ScannedEntry[]>,
  maxEntries: number,
): AsyncGenerator<TreeBatch> {
  const above: ScannedEntry[] = [];
  let batch = startBatch([]);
  for await (const found of scan) {
    for (const each of found) {
      while (above.length > 0 && !isBelow(each.entry.path, above.at(-1)!.entry.path)) above.pop();
      if (batch.newEntries === 0) batch = startBatch(above);
      batch.entries.push(each.entry);
      batch.identities.push(each.identity);
      batch.newEntries += 1;
      if (each.entry.type === 'directory') above.push(each);
      if (batch.newEntries < maxEntries) continue;
      yield batch;
      batch = startBatch([]);
    }
  }
  if (batch.newEntries > 0) yield batch;
}

function startBatch(above: readonly ScannedEntry[]): {
  entries: EntryTable;
  identities: StringTable;
  newEntries: number;
} {
  const identities = new StringTable();
  for (const { identity } of above) identities.push(identity);
  return { entries: EntryTable.from(above.map(({ entry }) => entry)), identities, newEntries: 0 };
}
