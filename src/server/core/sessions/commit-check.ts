/** Checks that both sides have moved the same: all chunks, the same sizes, the same digest of the whole. */
import { CairnError } from '../../../base/errors.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import { createLayout, isStream, type Layout } from '../../../manifest/layout.ts';
import { digestOfWhole, wholeOf, type Whole } from '../../../transfer/claim.ts';
import type { IncomingChunks } from './incoming-chunks.ts';
import type { LiveSession } from './live-session.ts';
import type { OutgoingChunks } from './outgoing-chunks.ts';
import type { TransferPlan } from './transfer-plan.ts';

/** The claim about the whole transfer that came with the commit. */
interface Claim {
  readonly digest: string;
  readonly bytesTotal: number;
  /** Runs of entries. */
  readonly excluded: readonly number[];
}

/** The part of a layout that has to be there: without the excluded entries. */
interface Wanted extends Whole {
  readonly excluded: ReadonlyChunkSet;
}

/**
 * Checks a push after a sync point.
 *
 * @throws CairnError `chunks-missing` with `details.runs`, `digest-mismatch`, `invalid-request`
 */
export async function verifyPush(live: LiveSession, claim: Claim): Promise<void> {
  await live.content.sync();
  const chunks = await live.content.incoming.get();
  const { digests } = chunks.staging;
  const wanted = wantedOf(chunks.plan, claim);
  checkNoneMissing(wanted, digests.chunks);
  await checkStreamEnd(chunks, wanted.layout, claim.bytesTotal);
  compareWhole(chunks.plan, wanted, claim, (chunk) => digests.get(chunk));
}

/**
 * Checks that all chunks of a push have come, durable or not.
 *
 * @throws CairnError `chunks-missing` with `details.runs`
 */
export async function checkArrived(live: LiveSession, claim: Claim): Promise<void> {
  const chunks = await live.content.incoming.get();
  checkNoneMissing(wantedOf(chunks.plan, claim), chunks.whole());
}

/**
 * Checks a pull. Reads and hashes again the chunks that a restart has forgotten, and those of touched entries.
 *
 * @throws CairnError `digest-mismatch`, `invalid-request`, `source-changed`, `source-missing`, `source-unreadable`
 */
export async function verifyPull(live: LiveSession, claim: Claim): Promise<void> {
  const chunks = await live.content.outgoing.get();
  const wanted = wantedOf(chunks.plan, claim);
  // The client must know of every entry that it got as zeros.
  const unreported = chunks.unreported(wanted.excluded);
  if (unreported.length > 0) throw chunks.failureOf('source-changed', unreported);
  chunks.exclude(wanted.excluded.values());
  // A source that turns out to be touched is read again from its beginning.
  for (let isOver = false; !isOver;) isOver = !(await hashUnknown(chunks, wanted));
  compareWhole(chunks.plan, wanted, claim, (chunk) => chunks.digests.get(chunk));
}

function wantedOf(plan: TransferPlan, { bytesTotal, excluded: runs }: Claim): Wanted {
  const excluded = ChunkSet.fromRuns(runs, plan.manifest.entries.length);
  const { manifest, layout } = plan;
  if (isStream(manifest)) {
    const streamSizeBytes = excluded.has(0) ? 0 : bytesTotal;
    const ended = createLayout(manifest, { streamSizeBytes });
    return { layout: ended, skipped: new ChunkSet(), bytesTotal: streamSizeBytes, excluded };
  }
  return { ...wholeOf(layout, excluded), excluded };
}

function checkNoneMissing(wanted: Wanted, there: ReadonlyChunkSet): void {
  const runs = missingRuns(wanted, there);
  if (runs.length === 0) return;
  const message = 'not all chunks are there; send the missing ones and commit again';
  throw new CairnError('chunks-missing', message, { details: { runs } });
}

function missingRuns({ layout, skipped }: Wanted, there: ReadonlyChunkSet): number[] {
  const covered = there.copy();
  covered.addAll(skipped);
  return covered.gaps(layout.chunkCount);
}

/** The size of a stream comes with the commit: its last chunk must be there to the last byte, and no later one. */
async function checkStreamEnd(chunks: IncomingChunks, layout: Layout, bytesTotal: number): Promise<void> {
  if (!isStream(chunks.plan.manifest)) return;
  const count = layout.chunkCount;
  const last = chunks.staging.digests.chunks.runs().slice(-2);
  const highest = last.length === 2 ? last[0]! + last[1]! - 1 : -1;
  if (highest >= count && layout.bytesTotal === bytesTotal) {
    throw new CairnError(
      'digest-mismatch',
      `the stream goes on after the ${bytesTotal} bytes that the commit claims`,
    );
  }
  if (count === 0) return;
  const staged = await chunks.stagedBytesOf(count - 1);
  if (staged !== layout.chunkLengthBytes(count - 1)) {
    throw new CairnError(
      'digest-mismatch',
      `the stream does not have the ${bytesTotal} bytes that the commit claims`,
    );
  }
}

/** Hashes the chunks without a known digest; answers whether there were any. */
async function hashUnknown(chunks: OutgoingChunks, { layout, skipped, excluded }: Wanted): Promise<boolean> {
  let wereAny = false;
  for (let chunk = 0; chunk < layout.chunkCount; chunk++) {
    if (skipped.has(chunk) || chunks.digests.has(chunk)) continue;
    wereAny = true;
    await hashAgain(chunks, chunk, excluded);
  }
  return wereAny;
}

async function hashAgain(chunks: OutgoingChunks, chunk: number, excluded: ReadonlyChunkSet): Promise<void> {
  const onDigest = (digest: Uint8Array): void => chunks.sent(chunk, digest);
  const alsoExcluded = (entry: number): boolean => excluded.has(entry);
  for await (const _ of chunks.read(chunk, { offset: 0, onDigest, alsoExcluded })) {
    // Only the digest is needed.
  }
}

function compareWhole(
  plan: TransferPlan,
  wanted: Wanted,
  claim: Claim,
  digestOf: (chunk: number) => Uint8Array | undefined,
): void {
  const { bytesTotal } = wanted;
  if (bytesTotal !== claim.bytesTotal) {
    throw new CairnError(
      'digest-mismatch',
      `the transfer has ${bytesTotal} bytes at the server, and ${claim.bytesTotal} at the client`,
      {
        details: { bytesTotal },
      },
    );
  }
  const digest = digestOfWhole(plan.manifest, wanted, digestOf);
  if (digest === claim.digest) return;
  throw new CairnError('digest-mismatch', 'the digest of the whole transfer is not the same on both sides', {
    details: { digest },
  });
}
