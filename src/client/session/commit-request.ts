/** What both sides have to agree on at the end. Pure. */
import type { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import type { ReadonlyChunkSet } from '../../checkpoint/chunk-set.ts';
import { emptiedChunks } from '../../checkpoint/emptied-chunks.ts';
import { transferDigest } from '../../manifest/digest.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { CommitRequest } from '../../wire/messages.ts';

/** The commit of a transfer whose size is known; every chunk that is not emptied must have its digest. */
export function commitRequest(
  manifest: Manifest,
  layout: Layout,
  digests: ChunkDigests,
  excluded: ReadonlyChunkSet,
): CommitRequest {
  const emptied = emptiedChunks(manifest.entries, layout, excluded);
  const bytesTotal = (layout.bytesTotal ?? 0) - emptied.bytes;
  function* carried(): Generator<readonly [number, Uint8Array]> {
    for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) {
      const digest = emptied.chunks.has(chunk) ? undefined : digests.get(chunk);
      if (digest !== undefined) yield [chunk, digest];
    }
  }
  return {
    digest: transferDigest(manifest.id, bytesTotal, carried()),
    bytesTotal,
    excluded: excluded.runs(),
  };
}
