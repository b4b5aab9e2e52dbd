/** One pass of a pull, from the agreed plan to the published tree. */
import { CairnError } from '../../base/errors.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../../checkpoint/chunk-set.ts';
import { emptiedChunks } from '../../transfer/emptied-chunks.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Deletions } from '../../manifest/deletions.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { DeletedEntries } from '../../session/pass-record.ts';
import { DEFAULT_SYNC_MODE, type SyncMode } from '../../session/sync-mode.ts';
import type { KeptCuts } from '../../storage/state/kept-cuts.ts';
import { keepPublishedCuts } from '../../storage/state/published-cuts.ts';
import type { ChunkStaging, StagingArea } from '../../storage/content-store.ts';
import { createGroupCommit, policyOf } from '../../transfer/group-commit.ts';
import { createRemovalReport } from '../../transfer/removal-report.ts';
import type { SessionTerms } from '../../wire/messages.ts';
import type { Report } from '../api/events.ts';
import { leftOutHere, reportLeftOut, type LeftOutEntry } from '../session/left-out-entries.ts';
import { reportUnkept } from '../session/unkept-report.ts';
import type { UnkeptKind } from '../../transfer/unkept-metadata.ts';
import {
  planDeletions,
  refusedForUnseen,
  tellDeleted,
  type DeletionPlan,
  type Mirror,
} from '../transfer/deletion-plan.ts';
import type { PassResult } from '../transfer/pass-result.ts';
import { openPass, type Pass, type PassSubject } from '../transfer/pass.ts';
import { runPass } from '../transfer/run-pass.ts';
import { unlessStale } from '../transfer/stale-parts.ts';
import { excludeReported, fetchChunks, type PullJob } from './pull-chunks.ts';
import { extrasAt, keepDeletions } from './pull-deletions.ts';
import { saveStagedPlan, type PullDestination, type StagedPlan } from './pull-staging.ts';

/** What a pass needs. */
export interface PullPassOptions extends PassSubject {
  readonly destination: PullDestination;
  readonly plan: StagedPlan;
  /** Takes the recipes of assembled files. */
  readonly kept: KeptCuts;
  /** When sync points come; undefined: as usual. */
  readonly sync: SyncMode | undefined;
  /** Whether directories at the destination give way, with all that is in them, to entries of another type. */
  readonly forceReplace: boolean | undefined;
  /** What the destination has and the source has not is deleted; undefined where it stays. */
  readonly mirror?: Mirror | undefined;
  /** What that is, where it is known already. */
  readonly deletions?: DeletionPlan | undefined;
}

/**
 * Fetches what the board says is to do, agrees with the server, and publishes. Chunks that were staged before are taken over.
 *
 * @throws CairnError network, session and storage codes, `digest-mismatch`, the signal's reason
 */
export async function runPullPass(options: PullPassOptions): Promise<PassResult> {
  const { context, session, folder, destination, manifest, plan, forceReplace } = options;
  const { store, stagingId, modes } = destination;
  const { target } = destination.landing;
  const excluded = ChunkSet.fromRuns(plan.excluded, manifest.entries.length);
  const pass = await openPass(options, { excluded, name: target });
  const area = await store.openStaging(stagingId);
  const { layout } = pass;
  const { assemblies } = plan;
  const staging = await area.openChunks({ manifest, layout, target, modes, assemblies });
  const job = jobOf(pass, { staging, area, options });
  let { deletions } = options;
  try {
    takeOver(job);
    return await runPass(job, {
      checkTerms: refuseForgotten,
      moveAll: async () => {
        await fetchChunks(job);
        await fetchLost(job);
        deletions ??= await lookAround(options, job);
        return undefined;
      },
      mend: async (refusal) => {
        const before = excluded.copy();
        if (!excludeReported(job, refusal, () => true)) return false;
        await fetchShared(job, before);
        return true;
      },
      save: async () => {
        await job.group.request();
        await job.onDurable();
      },
      conclude: async ({ request }) => {
        await job.group.close();
        const planned = stillMeant(options, deletions, excluded.size);
        if (planned !== undefined) await keepDeletions(area, planned);
        const { digest } = request;
        const agreed = { digest, excluded: request.excluded, deletions: planned?.list?.id };
        await folder.update({ session: session.terms, phase: 'agreed', agreed });
        const order = {
          plan: { ...plan, excluded: agreed.excluded },
          forceReplace,
          deletions: planned?.list,
          hasBackup: destination.hasBackup,
        };
        const { deleted, ...published } = await unlessStale(plan, () =>
          publish(staging, manifest, order, context.report),
        );
        await keepPublishedCuts(options.kept, { store, target, manifest }, assemblies);
        return { ...published, unlisted: 0, deleted: tellDeleted(planned, deleted, context) };
      },
    });
  } finally {
    await job.group.close();
    await staging.close();
  }
}

/** Once everything has come: what is to be deleted of what is at the destination. */
async function lookAround(
  { destination, manifest, mirror, report }: PullPassOptions,
  { excluded }: Pick<Pass, 'excluded'>,
): Promise<DeletionPlan | undefined> {
  if (mirror === undefined) return undefined;
  return planDeletions(mirror, manifest, () => extrasAt(destination, manifest), {
    excluded: excluded.size,
    report,
  });
}

/** The plan, unless entries were left out since it was made. */
function stillMeant(
  { mirror, report }: PullPassOptions,
  deletions: DeletionPlan | undefined,
  excluded: number,
): DeletionPlan | undefined {
  if (mirror === undefined || deletions?.list === undefined) return deletions;
  return refusedForUnseen(mirror, excluded, report) ?? deletions;
}

function jobOf(
  pass: Pass,
  {
    staging,
    area,
    options: { plan, sync = DEFAULT_SYNC_MODE },
  }: { staging: ChunkStaging; area: StagingArea; options: PullPassOptions },
): PullJob {
  return {
    ...pass,
    staging,
    // A failure that nothing waits for comes back with the next chunk.
    group: createGroupCommit(() => staging.sync(), policyOf(sync)),
    keepExclusions: async () => {
      await saveStagedPlan(area, { ...plan, excluded: pass.excluded.runs() });
      await pass.folder.update({ excluded: pass.excluded.size });
    },
    onDurable: () => pass.folder.update({ bytesDone: stagedBytes(staging, pass.layout) }),
    fromStart: new Set(),
  };
}

/** Takes over what an earlier run staged: whole chunks and partial ones. */
function takeOver({ staging, board, progress, layout }: PullJob): void {
  for (const chunk of staging.digests.chunks.values()) {
    board.trust(chunk, staging.digests.get(chunk)!);
    progress.resumed(chunk, layout.chunkLengthBytes(chunk));
  }
  for (const [chunk, bytes] of staging.partialChunks()) progress.resumed(chunk, bytes);
}

/**
 * Refuses a new epoch of a pull whose plan was agreed and is not known any more: a server that was restarted on a read-only
 * disk may know no more than that there was a session. @throws CairnError `session-not-found`
 */
export function refuseForgotten({ session, state }: SessionTerms): void {
  if (state !== 'establishing') return;
  const message = `the server has lost the plan of the session "${session}"; run the command again, which uses the bytes that arrived`;
  throw new CairnError('session-not-found', message);
}

function stagedBytes(staging: ChunkStaging, layout: Layout): number {
  let bytes = 0;
  for (const chunk of staging.digests.chunks.values()) bytes += layout.chunkLengthBytes(chunk);
  return bytes;
}

/**
 * From now on the server puts zeros in place of what it has just named. Chunks that carry it beside others are staged
 * with the bytes that it had before, which a server that was restarted cannot know any more: they come again.
 */
async function fetchShared(job: PullJob, before: ReadonlyChunkSet): Promise<void> {
  const { layout, excluded, staging, board, progress } = job;
  const emptied = emptiedChunks(layout, excluded).chunks;
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

/** How a pull is published: what is carried and left out, and what is deleted. */
export interface PullOrder {
  readonly plan: StagedPlan;
  readonly forceReplace: boolean | undefined;
  readonly deletions: Deletions | undefined;
  readonly hasBackup: boolean;
}

/**
 * Puts the staged tree in its place, deletes what is listed, names what cannot be put there, or not as it was.
 * May be called again after a crash.
 *
 * @throws CairnError, storage codes
 */
export async function publish(
  staging: ChunkStaging,
  manifest: Manifest,
  { plan, forceReplace, deletions, hasBackup }: PullOrder,
  report: Report,
): Promise<Pick<PassResult, 'leftOut' | 'unkept'> & { readonly deleted: DeletedEntries | undefined }> {
  const limit = manifest.entries.length;
  const have = ChunkSet.fromRuns(plan.have, limit);
  const attributes = ChunkSet.fromRuns(plan.attributes, limit);
  const excluded = ChunkSet.fromRuns(plan.excluded, limit);
  const unselected = ChunkSet.fromRuns(plan.unselected?.entries ?? [], limit);
  const leftOut = new Map<number, LeftOutEntry>();
  const isPresent = (index: number): boolean => have.has(index);
  let unkept: readonly UnkeptKind[] = [];
  const removing = deletions === undefined ? undefined : createRemovalReport(deletions);
  await staging.publish({
    isPresent,
    needsAttributes: (index) => attributes.has(index),
    isExcluded: (index) => excluded.has(index) || unselected.has(index),
    forceReplace,
    removal: removing?.removal,
    backup: hasBackup ? '' : undefined,
    onRefused: leftOutHere(leftOut),
    onUnkept: (kinds) => (unkept = kinds),
    onProgress: (entriesDone) => report({ type: 'publishing', entriesDone, entriesTotal: limit }),
  });
  return {
    leftOut: reportLeftOut(leftOut, manifest, { isPresent, report }),
    unkept: reportUnkept([...unkept], manifest, report),
    deleted: removing?.result(),
  };
}
