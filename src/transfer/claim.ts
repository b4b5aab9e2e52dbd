/** The claim that a commit makes about the whole transfer; both sides make and check it alike. Pure. */
import { CairnError } from '../base/errors.ts';
import type { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import type { ReadonlyChunkSet } from '../checkpoint/chunk-set.ts';
import { transferDigest } from '../manifest/digest.ts';
import type { Layout } from '../manifest/layout.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { CommitRequest } from '../wire/messages.ts';
import { emptiedChunks } from './emptied-chunks.ts';

/** The part of a transfer that has to arrive when the sender excludes entries. */
export interface Whole {
  readonly layout: Layout;
  /** Chunks that carry only excluded entries. */
  readonly skipped: ReadonlyChunkSet;
  /** Bytes of all other chunks; excluded entries count only where their chunk also carries other entries. */
  readonly bytesTotal: number;
}

/** The whole without the excluded entries, for a transfer of known size. */
export function wholeOf(layout: Layout, excluded: ReadonlyChunkSet): Whole {
  const { chunks, bytes } = emptiedChunks(layout, excluded);
  return { layout, skipped: chunks, bytesTotal: (layout.bytesTotal ?? 0) - bytes };
}

/** The digest of a whole. @throws CairnError `internal` where the digest of one of its chunks is unknown */
export function digestOfWhole(
  { id }: Pick<Manifest, 'id'>,
  { layout, skipped, bytesTotal }: Whole,
  digestOf: (chunk: number) => Uint8Array | undefined,
): string {
  function* pairs(): Generator<readonly [number, Uint8Array]> {
    const next = (from: number): number => skipped.firstMissing(from, layout.chunkCount);
    for (let chunk = next(0); chunk < layout.chunkCount; chunk = next(chunk + 1)) {
      const digest = digestOf(chunk);
      if (digest === undefined) throw new CairnError('internal', `the digest of chunk ${chunk} is not known`);
      yield [chunk, digest];
    }
  }
  return transferDigest(id, bytesTotal, pairs());
}

/** The claim of a transfer of known size. @throws CairnError like {@link digestOfWhole} */
export function makeClaim(
  manifest: Manifest,
  layout: Layout,
  digests: ChunkDigests,
  excluded: ReadonlyChunkSet,
): CommitRequest {
  const whole = wholeOf(layout, excluded);
  const digest = digestOfWhole(manifest, whole, (chunk) => digests.get(chunk));
  return { digest, bytesTotal: whole.bytesTotal, excluded: excluded.runs() };
}
