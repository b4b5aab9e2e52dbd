/** Which chunks need not come, because all that they carry is left out. */
import type { EntryList } from '../manifest/entry-table.ts';
import type { Layout } from '../manifest/layout.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../checkpoint/chunk-set.ts';

/** The chunks that carry bytes of `excluded` entries only, and how many bytes they have together. */
export function emptiedChunks(
  entries: EntryList,
  layout: Layout,
  excluded: ReadonlyChunkSet,
): { readonly chunks: ChunkSet; readonly bytes: number } {
  const chunks = new ChunkSet();
  const isExcluded = (entryIndex: number): boolean => excluded.has(entryIndex);
  let bytes = 0;
  /** Packed entries share a chunk with their neighbours: it is looked at once, not once for each of them. */
  let lookedAt = -1;
  for (const entryIndex of excluded.values()) {
    const { first, count } = layout.chunksOf(entryIndex);
    if (count === 0) continue;
    if (count > 1) chunks.addRun(first, count);
    else if (first !== lookedAt && layout.carriesOnly(first, isExcluded)) chunks.add(first);
    lookedAt = first;
    if (chunks.has(first)) bytes += entries.sizeOf(entryIndex);
  }
  return { chunks, bytes };
}

/** Whether all that a chunk carries is left out. */
export function isEmptied(layout: Layout, chunk: number, excluded: ReadonlyChunkSet): boolean {
  return excluded.size > 0 && layout.carriesOnly(chunk, (entryIndex) => excluded.has(entryIndex));
}
