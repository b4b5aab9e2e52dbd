/** A pull that goes on from its record: the staged chunks are the truth, and none of them is read again. */
import { CairnError } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { SessionTerms } from '../../wire/messages.ts';
import type { Deletions } from '../../manifest/deletions.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { StagingArea } from '../../storage/content-store.ts';
import { keepPublishedCuts } from '../../storage/state/published-cuts.ts';
import type { TransferOptions } from '../api/options.ts';
import { putParts } from '../session/cut-calls.ts';
import { agreeOnPlan } from '../session/plan-agreement.ts';
import { layoutOf } from '../session/plan-layout.ts';
import type { SessionClient } from '../session/session-client.ts';
import { unlessGone } from '../session/session-gone.ts';
import { keptCutsOf } from '../state/kept-cuts-of.ts';
import type { TransferFolder } from '../state/transfer-folder.ts';
import type { TransferRecord } from '../state/transfer-record.ts';
import { resumeRecorded } from '../transfer/earlier-run.ts';
import { planOf, tellDeleted } from '../transfer/deletion-plan.ts';
import {
  aboutManifest,
  pathsOf,
  reusedBytes,
  skippedBytes,
  type PassResult,
} from '../transfer/pass-result.ts';
import { stalePartsOf, tellStale } from '../transfer/stale-parts.ts';
import { softened } from '../transfer/transfer-context.ts';
import { keptDeletions } from './pull-deletions.ts';
import type { PullTask } from './pull-fresh.ts';
import { typeAt, type Landing } from './pull-landing.ts';
import { publish, runPullPass } from './pull-pass.ts';
import {
  freeStaging,
  loadStaged,
  openDestination,
  type PullDestination,
  type StagedPull,
} from './pull-staging.ts';

/**
 * Finishes the transfer in the folder's record. Undefined where it cannot be gone on with: then a fresh pass starts
 * over, and takes over the staged chunks if they still fit.
 *
 * @throws CairnError like {@link runPullPass}
 */
export async function resumedPull(task: PullTask): Promise<PassResult | undefined> {
  const { context, folder, options } = task;
  const found = await openStaged(folder, options);
  if (found === undefined) return undefined;
  const { destination, staged, record } = found;
  try {
    const session = await resume(task, record);
    if (session === undefined) return undefined;
    if (session.terms.state === 'establishing') {
      const { assemblies } = staged.plan;
      if (assemblies !== undefined) await session.run((at) => putParts(at, assemblies));
      await agreeOnPlan(context, session, staged.manifest, staged.plan);
    }
    const { epoch } = session.terms;
    // Of the run that agreed with the server everything is staged; no other client can get anything from this session any more.
    const wasAgreed = AGREED.has(session.terms.state);
    context.report({ type: 'resumed', epoch, bytesResumed: record.bytesDone });
    const report = softened(context.report);
    const { sync, forceReplace } = options;
    try {
      const kept = keptCutsOf(folder);
      const pass = { context, session, folder, destination, ...staged, sync, report, forceReplace, kept };
      return await runPullPass(pass);
    } catch (error) {
      const isOfAnother = wasAgreed && error instanceof CairnError && error.code === 'session-fenced';
      if (!isOfAnother) throw error;
      const message =
        'another client has finished the unfinished transfer; this run uses the staged bytes if they still fit';
      context.report({ type: 'notice', message });
      return undefined;
    }
  } finally {
    await destination.store.close();
  }
}

/**
 * Publishes a pull on whose digest both sides had agreed when an earlier run ended; the server is not needed for it.
 * Undefined where there is no such pull; also where what was staged was damaged since, which is then fetched anew.
 *
 * @throws CairnError, storage codes
 */
export async function publishAgreed(
  folder: TransferFolder,
  options: Pick<
    TransferOptions,
    'report' | 'forceReplace' | 'preserveModes' | 'chmod' | 'mirror' | 'namesEntries' | 'backupDirectory'
  >,
): Promise<PassResult | undefined> {
  const { report, forceReplace } = options;
  if (folder.record?.agreed === undefined || folder.record.agreed === null) return undefined;
  const found = await openStaged(folder, options);
  if (found === undefined) return undefined;
  const { destination, staged, record } = found;
  const { manifest, plan } = staged;
  try {
    const layout = layoutOf(manifest, plan);
    const area = await destination.store.openStaging(destination.stagingId);
    const staging = await area.openChunks({
      manifest,
      layout,
      target: destination.landing.target,
      modes: destination.modes,
      assemblies: plan.assemblies,
    });
    const { digest, excluded, deletions: id } = record.agreed!;
    const list = await listFor(options, area, manifest, id);
    let published: Awaited<ReturnType<typeof publish>>;
    try {
      const order = {
        plan: { ...plan, excluded },
        forceReplace,
        deletions: list,
        hasBackup: destination.hasBackup,
      };
      published = await publish(staging, manifest, order, report);
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'chunks-missing') throw error;
      if (stalePartsOf(error, plan) !== undefined) {
        await keptCutsOf(folder).clear();
        tellStale({ report });
      } else report({ type: 'notice', message: `${error.message}; the missing chunks are fetched again` });
      await folder.clear();
      return undefined;
    } finally {
      await staging.close();
    }
    const { store, landing } = destination;
    await keepPublishedCuts(keptCutsOf(folder), { store, target: landing.target, manifest }, plan.assemblies);
    await area.discard();
    const { deleted, ...others } = published;
    return {
      ...agreedResult(staged, { digest, excluded }),
      ...others,
      deleted: deletedOf(list, deleted, options),
    };
  } finally {
    await destination.store.close();
  }
}

function deletedOf(
  list: Deletions | undefined,
  deleted: Awaited<ReturnType<typeof publish>>['deleted'],
  { report, namesEntries = false }: Pick<TransferOptions, 'report' | 'namesEntries'>,
): PassResult['deleted'] {
  return tellDeleted(list === undefined ? undefined : planOf(list), deleted, { report, namesEntries });
}

/** The result of a pass that an earlier run brought to its end. */
function agreedResult(
  { manifest, plan }: StagedPull,
  { digest, excluded }: { readonly digest: string; readonly excluded: readonly number[] },
): Omit<PassResult, 'leftOut'> {
  const { bytesTotal = 0 } = layoutOf(manifest, plan);
  return {
    ...aboutManifest(manifest, plan),
    bytesTotal,
    bytesSkipped: skippedBytes(manifest, plan),
    bytesReused: reusedBytes(plan),
    bytesResumed: bytesTotal,
    digest,
    excluded: pathsOf(manifest, ChunkSet.fromRuns(excluded, manifest.entries.length)),
    unlisted: 0,
  };
}

/** What an earlier run was about to delete, where this one asks for that, too. */
async function listFor(
  { mirror, report }: Pick<TransferOptions, 'mirror' | 'report'>,
  area: StagingArea,
  manifest: Manifest,
  id: string | undefined,
): Promise<Deletions | undefined> {
  if (id === undefined || mirror !== undefined) return keptDeletions(area, manifest, id);
  report({
    type: 'notice',
    message: 'the earlier run was to delete, and this one is not: nothing is deleted',
  });
  return undefined;
}

/** Removes what the record's transfer staged. */
export async function discardLanded(landing: Landing, stagingId: string): Promise<void> {
  if ((await typeAt(landing.root)) !== 'directory') return;
  const destination = await openDestination(landing, { stagingId });
  try {
    await freeStaging(destination);
  } finally {
    await destination.store.close();
  }
}

const AGREED = new Set<SessionTerms['state']>(['committing', 'committed']);

interface Found {
  readonly destination: PullDestination;
  readonly staged: StagedPull;
  readonly record: TransferRecord;
}

async function openStaged(
  folder: TransferFolder,
  options: Pick<TransferOptions, 'preserveModes' | 'chmod' | 'backupDirectory'>,
): Promise<Found | undefined> {
  const { record } = folder;
  if (record === undefined || record.landing === null) return undefined;
  if ((await typeAt(record.landing.root)) !== 'directory') return undefined;
  const destination = await openDestination(record.landing, folder, options);
  const staged = await loadStaged(destination);
  if (staged?.manifest.id === record.manifestId) return { destination, staged, record };
  await destination.store.close();
  return undefined;
}

/** The session in a new epoch; undefined where it is no more, or no longer what it was. */
async function resume(task: PullTask, record: TransferRecord): Promise<SessionClient | undefined> {
  const session = await unlessGone(() => resumeRecorded(task, record));
  if (session !== undefined) {
    if (session.terms.manifestId === record.manifestId) return session;
    await session.abandon();
  }
  const message =
    'the server no longer has the unfinished transfer; this run uses the staged bytes if the source is still the same';
  task.context.report({ type: 'notice', message });
  return undefined;
}
