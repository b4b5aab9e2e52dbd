/** Finds chunks that need not be sent, because they carry only excluded entries. */
import type { Layout } from '../manifest/layout.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../checkpoint/chunk-set.ts';

/** The chunks that carry only bytes of `excluded` entries, and the sum of their bytes. */
export function emptiedChunks(
  layout: Layout,
  excluded: ReadonlyChunkSet,
): { readonly chunks: ChunkSet; readonly bytes: number } {
  const chunks = new ChunkSet();
  const isExcluded = (entryIndex: number): boolean => excluded.has(entryIndex);
  let bytes = 0;
  /** Packed entries share a chunk with their neighbours: check it once, not once for each of them. */
  let lookedAt = -1;
  for (const entryIndex of excluded.values()) {
    const { first, count } = layout.chunksOf(entryIndex);
    if (count === 0) continue;
    if (count > 1) chunks.addRun(first, count);
    else if (first !== lookedAt && layout.carriesOnly(first, isExcluded)) chunks.add(first);
    lookedAt = first;
    if (chunks.has(first)) bytes += layout.carriedBytesOf(entryIndex);
  }
  return { chunks, bytes };
}

/** Whether a chunk carries only excluded entries. */
export function isEmptied(layout: Layout, chunk: number, excluded: ReadonlyChunkSet): boolean {
  return excluded.size > 0 && layout.carriesOnly(chunk, (entryIndex) => excluded.has(entryIndex));
}
