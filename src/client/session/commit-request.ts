/** What both sides have to agree on at the end. Pure. */
import type { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import type { ReadonlyChunkSet } from '../../checkpoint/chunk-set.ts';
import { transferDigest } from '../../manifest/digest.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { CommitRequest } from '../../wire/messages.ts';

/** Chunks that carry bytes of excluded entries only, and therefore need not be there. */
export function emptiedChunks(layout: Layout, excluded: ReadonlyChunkSet): Set<number> {
  const emptied = new Set<number>();
  for (const entryIndex of excluded.values()) {
    const { first, count } = layout.chunksOf(entryIndex);
    for (let chunk = first; chunk < first + count; chunk += 1) {
      if (emptied.has(chunk)) continue;
      if (layout.carriesOnly(chunk, (carried) => excluded.has(carried))) emptied.add(chunk);
    }
  }
  return emptied;
}

/** The commit of a transfer whose size is known; every chunk that is not emptied must have its digest. */
export function commitRequest(
  manifest: Manifest,
  layout: Layout,
  digests: ChunkDigests,
  excluded: ReadonlyChunkSet,
): CommitRequest {
  const emptied = emptiedChunks(layout, excluded);
  let bytesTotal = layout.bytesTotal ?? 0;
  for (const chunk of emptied) bytesTotal -= layout.chunkLengthBytes(chunk);
  function* carried(): Generator<readonly [number, Uint8Array]> {
    for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) {
      const digest = emptied.has(chunk) ? undefined : digests.get(chunk);
      if (digest !== undefined) yield [chunk, digest];
    }
  }
  return {
    digest: transferDigest(manifest.id, bytesTotal, carried()),
    bytesTotal,
    excluded: excluded.runs(),
  };
}
