/** One pass of a pull, from the agreed plan to the published tree. */
import { CairnError } from '../../base/errors.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../../checkpoint/chunk-set.ts';
import { emptiedChunks } from '../../checkpoint/emptied-chunks.ts';
import { DIGEST_LENGTH_BYTES, loadHasher } from '../../manifest/digest.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { ChunkStaging, StagingArea } from '../../storage/content-store.ts';
import type { SessionGrant } from '../../wire/messages.ts';
import { DEFAULT_SYNC_MODE, type SyncMode } from '../../session/sync-mode.ts';
import { createGroupCommit, policyOf } from '../../transfer/group-commit.ts';
import { ChunkBoard } from '../transfer/chunk-board.ts';
import { commitRequest } from '../session/commit-request.ts';
import { leftOutHere, reportLeftOut, type LeftOutEntry } from '../session/unpublished.ts';
import type { Report } from '../api/events.ts';
import { excludeReported, fetchChunks, type PullJob } from './pull-chunks.ts';
import { saveStagedPlan, type PullDestination, type StoredPlan } from './pull-staging.ts';
import { layoutOf } from '../session/plan-layout.ts';
import type { PassResult } from '../transfer/pass-result.ts';
import { runPass } from '../transfer/run-pass.ts';
import { suspend } from '../session/session-calls.ts';
import { FAREWELL_MS, type SessionClient } from '../session/session-client.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { TransferFolder } from '../state/transfer-folder.ts';
import { createProgress } from '../transfer/transfer-progress.ts';

/** What a pass needs. */
export interface PullPassOptions {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly folder: TransferFolder;
  readonly destination: PullDestination;
  readonly manifest: Manifest;
  readonly plan: StoredPlan;
  /** When sync points come; undefined: as usual. */
  readonly sync: SyncMode | undefined;
  /** Told of excluded entries. */
  readonly report: Report;
  /** Whether directories at the destination give way, with all that is in them, to entries of another type. */
  readonly forceReplace: boolean | undefined;
}

/**
 * Fetches what is to be fetched, agrees with the server, and publishes. What was staged before is taken over.
 *
 * @throws CairnError network, session and storage codes, `digest-mismatch`, the signal's reason
 */
export async function runPullPass(options: PullPassOptions): Promise<PassResult> {
  const { context, session, folder, destination, manifest, plan, forceReplace } = options;
  const layout = layoutOf(manifest, plan);
  const area = await destination.store.openStaging(destination.stagingId);
  const staging = await area.openChunks({
    manifest,
    layout,
    target: destination.landing.target,
    modes: destination.modes,
  });
  try {
    const job = await openJob(options, { layout, staging, area });
    const { progress } = job;
    const subject = { context, session, manifest, plan, layout, progress };
    return await runPass(subject, {
      moveAll: () => moveAll(job),
      claim: () => commitRequest(manifest, layout, job.board.digests, job.excluded),
      mend: async (refusal) => {
        const before = job.excluded.copy();
        if (!excludeReported(job, refusal, () => true)) return false;
        await fetchShared(job, before);
        return true;
      },
      leave: () => leave(job),
      conclude: async ({ request: { digest, excluded } }) => {
        await job.group.close();
        await folder.update({ session: session.grant, phase: 'agreed', agreed: { digest, excluded } });
        const order = { plan: { ...plan, excluded }, forceReplace };
        return { leftOut: await publish(staging, manifest, order, context.report), unlisted: 0 };
      },
    });
  } finally {
    // The session's timers live as long as the run; they would keep all entries of the pass.
    session.setHooks({});
    await staging.close();
  }
}

async function openJob(
  { context, session, folder, destination, manifest, plan, sync, report }: PullPassOptions,
  { layout, staging, area }: { layout: Layout; staging: ChunkStaging; area: StagingArea },
): Promise<PullJob> {
  const board = new ChunkBoard(layout.chunkCount, DIGEST_LENGTH_BYTES[manifest.digest]);
  const progress = createProgress(context, { manifest, layout, name: destination.landing.target });
  const excluded = ChunkSet.fromRuns(plan.excluded, manifest.entries.length);
  for (const chunk of staging.digests.chunks.values()) {
    board.trust(chunk, staging.digests.get(chunk)!);
    progress.resumed(chunk, layout.chunkLengthBytes(chunk));
  }
  for (const [chunk, bytes] of staging.held()) progress.resumed(chunk, bytes);
  session.setHooks({
    onGrant: async (grant) => {
      refuseForgotten(grant);
      await folder.update({ session: grant });
    },
  });
  return {
    context,
    session,
    manifest,
    layout,
    staging,
    // A failure that nobody waits for comes back with the next chunk.
    group: createGroupCommit(() => staging.sync(), policyOf(sync ?? DEFAULT_SYNC_MODE)),
    board,
    progress,
    createHasher: await loadHasher(manifest.digest),
    name: destination.landing.target,
    excluded,
    keepExclusions: () => saveStagedPlan(area, { ...plan, excluded: excluded.runs() }),
    report,
    onDurable: () => folder.update({ bytesDone: stagedBytes(staging, layout) }),
    fromStart: new Set(),
  };
}

/**
 * Refuses a new epoch of a pull whose plan was agreed and is not known any more: a server that was restarted on a read-only
 * disk may know no more than that there was a session. @throws CairnError `session-not-found`
 */
export function refuseForgotten({ session, state }: SessionGrant): void {
  if (state !== 'establishing') return;
  const message = `the server no longer knows what was agreed in the session "${session}"; run the command again: what came is taken over`;
  throw new CairnError('session-not-found', message);
}

function stagedBytes(staging: ChunkStaging, layout: Layout): number {
  let bytes = 0;
  for (const chunk of staging.digests.chunks.values()) bytes += layout.chunkLengthBytes(chunk);
  return bytes;
}

/** Fetches all chunks, also those that an earlier run had staged and that were lost since. */
async function moveAll(job: PullJob): Promise<undefined> {
  const { manifest, layout, board, excluded } = job;
  for (const chunk of emptiedChunks(manifest.entries, layout, excluded).chunks.values()) board.skip(chunk);
  await fetchChunks(job);
  await fetchLost(job);
}

/**
 * From now on the server puts zeros in place of what it has just named. Chunks that carry it beside others are staged
 * with the bytes that it had before, which a server that was restarted cannot know any more: they come again.
 */
async function fetchShared(job: PullJob, before: ReadonlyChunkSet): Promise<void> {
  const { manifest, layout, excluded, staging, board, progress } = job;
  const emptied = emptiedChunks(manifest.entries, layout, excluded).chunks;
  const shared = new Set<number>();
  for (const entryIndex of excluded.values()) {
    if (before.has(entryIndex)) continue;
    const { first, count } = layout.chunksOf(entryIndex);
    for (let chunk = first; chunk < first + count; chunk += 1) if (!emptied.has(chunk)) shared.add(chunk);
  }
  // In this order: a run that ends in between must not take old bytes for those with the zeros.
  await staging.forget([...shared]);
  await job.keepExclusions();
  for (const chunk of shared) progress.lost(chunk, layout.chunkLengthBytes(chunk));
  board.miss(shared);
  await fetchChunks(job);
}

/** What an earlier run staged may have been damaged since: once the server has let go of the session it is too late. */
async function fetchLost(job: PullJob): Promise<void> {
  const { staging, board, progress, layout, report, session } = job;
  const lost = await session.keepingLease(() => staging.verify());
  if (lost.length === 0) return;
  const message = `${lost.length} chunks that an earlier run had staged are gone or damaged; they are fetched again`;
  report({ type: 'notice', message });
  board.miss(lost);
  for (const chunk of lost) progress.notResumed(chunk, layout.chunkLengthBytes(chunk));
  await fetchChunks(job);
}

/**
 * Puts the staged tree in its place, names what cannot be put there, and answers its paths. May be called again after a
 * crash.
 *
 * @throws CairnError, storage codes
 */
export async function publish(
  staging: ChunkStaging,
  manifest: Manifest,
  { plan, forceReplace }: { readonly plan: StoredPlan; readonly forceReplace: boolean | undefined },
  report: Report,
): Promise<ReadonlySet<string>> {
  const limit = manifest.entries.length;
  const have = ChunkSet.fromRuns(plan.have, limit);
  const attributes = ChunkSet.fromRuns(plan.attributes, limit);
  const excluded = ChunkSet.fromRuns(plan.excluded, limit);
  const leftOut = new Map<number, LeftOutEntry>();
  const isPresent = (index: number): boolean => have.has(index);
  await staging.publish({
    isPresent,
    needsAttributes: (index) => attributes.has(index),
    isExcluded: (index) => excluded.has(index),
    forceReplace,
    onRefused: leftOutHere(leftOut),
    onProgress: (entriesDone) => report({ type: 'publishing', entriesDone, entriesTotal: limit }),
  });
  return reportLeftOut(leftOut, manifest, { isPresent, report });
}

/** A run that ends early makes durable what came; after a signal it also says goodbye to the server. */
async function leave(job: PullJob): Promise<void> {
  const { context, session } = job;
  try {
    await job.group.request();
    await job.onDurable();
    if (!context.signal.aborted) return;
    await suspend({ server: context.server, grant: session.grant, signal: AbortSignal.timeout(FAREWELL_MS) });
  } catch {
    // The reason why the run ends is thrown by the caller, and matters more.
  } finally {
    await job.group.close();
  }
}
