/** A pass of a pull that begins with the server's manifest. */
import { CairnError } from '../../base/errors.ts';
import { joinPath } from '../../base/safe-path.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { MetadataKind } from '../../manifest/metadata.ts';
import { compareWithTarget } from '../../transfer/compare.ts';
import { EVERYTHING } from '../../wire/messages.ts';
import { DEFAULT_CHUNK_SIZE_BYTES } from '../api/options.ts';
import { agreeOnPlan } from '../session/plan-agreement.ts';
import { orAbandon } from '../session/give-up.ts';
import { keptCutsOf } from '../state/kept-cuts-of.ts';
import type { SessionClient } from '../session/session-client.ts';
import { mayUseParts, withParts } from '../transfer/changed-parts.ts';
import { makePlan, type LocalFile } from '../transfer/comparing.ts';
import {
  mirrorOf,
  protectsUnselected,
  planDeletions,
  type DeletionPlan,
  type Mirror,
} from '../transfer/deletion-plan.ts';
import { tellUncarried } from '../transfer/metadata-wishes.ts';
import { tellNotices, type PassResult } from '../transfer/pass-result.ts';
import type { RemoteSelection } from '../transfer/remote-selection.ts';
import { nothingSelected } from '../transfer/selecting.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import { saveRecord, type TransferTask } from '../transfer/transfer-task.ts';
import { establishPull } from './pull-establish.ts';
import { extrasAt } from './pull-deletions.ts';
import { tellDryRun } from './pull-dry-run.ts';
import { isNothingThere, isSingle, landingOf, makeLanding, typeAt, type Landing } from './pull-landing.ts';
import { agreeOnNothing, isNothingToDo } from './pull-nothing.ts';
import { runPullPass } from './pull-pass.ts';
import { pullVersions } from './pull-versions.ts';
import { comparisonOfWanted, planOfWanted, wantedOf, type PullPlan } from './pull-selection.ts';
import {
  discardStaged,
  loadStaged,
  openDestination,
  saveStaged,
  type PullDestination,
  type StagedPlan,
} from './pull-staging.ts';

/** A pull from a target to a destination. */
export interface PullTask extends TransferTask {
  /** DEST as the user gave it. */
  readonly destination: string;
  /** Whether this run compares contents that the one which it goes on with took for equal. */
  readonly isToBeCompared: boolean;
  /** The kinds of metadata that entries are to have. */
  readonly metadata: readonly MetadataKind[];
}

/** What a fresh pass did. */
export interface FreshPull {
  /** Undefined where nothing has changed since the pass before. */
  readonly result: PassResult | undefined;
  /** Entries that the server had to leave out, or that are listed and not there. */
  readonly notices: number;
}

/**
 * Establishes a session, compares, and fetches the missing entries.
 *
 * @param before the pass that this one follows: nothing is done where the manifest is still the same
 * @throws CairnError like {@link runPullPass}; `not-found`, `is-directory`, `not-directory`
 */
export async function freshPull(task: PullTask, before?: PassResult): Promise<FreshPull> {
  const { context, options } = task;
  context.report({ type: 'phase', phase: 'scanning' });
  const isWhole = options.dryRun !== true && options.selection === undefined;
  const isForEverything = isWhole && (await isNothingThere(task.destination));
  const { session, manifest, notices, uncarried } = await establishPull(context, {
    chunkSizeBytes: options.chunkSizeBytes ?? DEFAULT_CHUNK_SIZE_BYTES,
    isLargestChunkSize: options.chunkSizeBytes === undefined,
    digest: options.digest,
    isForEverything,
    metadata: task.metadata,
  });
  const wanted = await orAbandon(session, async () => wantedOf(context, options, { manifest, notices }));
  const found = wanted?.notices ?? notices;
  tellNotices(context.report, found);
  tellUncarried(context.report, uncarried);
  const mirror = mirrorOf(options, found, protectsUnselected(options));
  if (mirror !== undefined) await orAbandon(session, async () => refuseSingle(manifest));
  const isSame = before?.excluded.size === 0 && before.manifest.id === manifest.id;
  // With time, entries become old enough; and an earlier run has deleted nothing.
  const isAsBefore = isSame && !task.isToBeCompared && mirror === undefined;
  const isOver = isAsBefore && options.selection?.minAgeMs === undefined;
  if (isOver || wanted?.unselected.size === manifest.entries.length) {
    await session.abandon();
    return { result: isOver ? undefined : nothingSelected(context.report), notices: found.length };
  }
  const how = { isForEverything, distrusted: before?.excluded, wanted, mirror, unlisted: found.length };
  return { result: await compareAndCarry(task, session, manifest, how), notices: found.length };
}

interface Ways {
  readonly isForEverything: boolean;
  readonly distrusted: ReadonlySet<string> | undefined;
  readonly wanted: RemoteSelection | undefined;
  readonly mirror: Mirror | undefined;
  /** Entries that the server had to leave out. */
  readonly unlisted: number;
}

async function compareAndCarry(
  task: PullTask,
  session: SessionClient,
  manifest: Manifest,
  { isForEverything, distrusted, wanted, mirror, unlisted }: Ways,
): Promise<PassResult> {
  const { context, options, folder } = task;
  const { report } = context;
  const { sync, forceReplace } = options;
  let destination: PullDestination | undefined;
  try {
    const plan = await orAbandon(session, async () => {
      destination = await openForPlan(
        task,
        await landingOf(task.destination, context.server.target, manifest),
      );
      const made = isForEverything
        ? EVERYTHING
        : await planFor(task, { session, manifest, destination, distrusted, wanted });
      const isReal = options.dryRun !== true && !isForEverything;
      if (isReal) await agreeOnPlan(context, session, manifest, made);
      return made;
    });
    if (options.dryRun === true || destination === undefined)
      return await orAbandon(session, () =>
        tellDryRun(context, { session, manifest, plan, mirror, forceReplace }, destination),
      );
    const prepared = { session, manifest, destination, plan };
    const deletions = await orAbandon(session, () => deletionsAhead(prepared, mirror, report));
    if (isNothingToDo(manifest, plan) && deletions?.list === undefined) {
      const deleted = mirror === undefined ? undefined : deletions?.outcome;
      return { ...(await agreeOnNothing(task, prepared)), deleted };
    }
    // A session that is written down nowhere would never be gone on with.
    const stored = await orAbandon(session, () => keep(task, { ...prepared, unlisted }));
    const kept = keptCutsOf(options);
    const agreed = { context, session, folder, destination, manifest, plan: stored, report, kept };
    return await runPullPass({ ...agreed, sync, forceReplace, mirror, deletions });
  } finally {
    await destination?.store.close();
  }
}

/** Where nothing is to be fetched, or nothing is in the source: before anything is staged. */
async function deletionsAhead(
  { manifest, destination, plan }: Prepared,
  mirror: Mirror | undefined,
  report: TransferContext['report'],
): Promise<DeletionPlan | undefined> {
  const isEmpty = manifest.entries.length <= 1;
  if (mirror === undefined || (!isEmpty && !isNothingToDo(manifest, plan))) return undefined;
  return planDeletions(mirror, manifest, () => extrasAt(destination, manifest), { report });
}

/** Refuses to delete beside a file. @throws CairnError `usage` */
function refuseSingle(manifest: Manifest): void {
  if (!isSingle(manifest)) return;
  const message =
    'the URL is that of a file: --delete is for directories; it deletes what they have and the source does not';
  throw new CairnError('usage', message);
}

/** The destination; undefined in a dry run where there is none yet, and none is made. */
async function openForPlan(
  { folder, options }: PullTask,
  landing: Landing,
): Promise<PullDestination | undefined> {
  if (options.dryRun === true && (await typeAt(landing.root)) !== 'directory') return undefined;
  await makeLanding(landing);
  const { backupDirectory: _none, ...dry } = options;
  return openDestination(landing, folder, options.dryRun === true ? dry : options);
}

interface Prepared {
  readonly session: SessionClient;
  readonly manifest: Manifest;
  readonly destination: PullDestination;
  readonly plan: PullPlan;
}

async function planFor(
  { context, options }: PullTask,
  prepared: Omit<Prepared, 'plan' | 'destination'> & {
    readonly destination: PullDestination | undefined;
  } & Pick<Ways, 'distrusted' | 'wanted'>,
): Promise<PullPlan> {
  const { session, manifest, destination, distrusted, wanted } = prepared;
  if (destination === undefined) return planOfWanted(EVERYTHING, manifest, wanted);
  const { store, landing } = destination;
  context.report({ type: 'phase', phase: 'comparing', entries: manifest.entries.length });
  const { forceReplace: mayReplace = false } = options;
  const how = { mayReplace, modes: destination.modes };
  const found = await compareWithTarget(store, landing.target, manifest, how);
  const comparison = comparisonOfWanted(found, manifest, wanted);
  const checksum = options.checksum === true;
  const pathOf = (index: number): string => joinPath(landing.target, manifest.entries.pathOf(index));
  const locate = (index: number): LocalFile => ({ store, path: pathOf(index) });
  const made = await makePlan({ context, session, manifest, comparison, checksum, locate, distrusted });
  const openVersions = pullVersions({ context, options }, session, manifest, { store, pathOf });
  if (!mayUseParts(options, session)) return planOfWanted(made, manifest, wanted);
  const parted = await withParts({ context, session, manifest, comparison, openVersions }, made);
  const { cuts: _kept, ...plan } = parted;
  return planOfWanted(plan, manifest, wanted);
}

/** Writes down what the next run needs. What a lost earlier run had staged of the very same job is taken over. */
async function keep(
  task: PullTask,
  { session, manifest, destination, plan, unlisted }: Prepared & { readonly unlisted: number },
): Promise<StagedPlan> {
  const { folder, context } = task;
  const staged = await loadStaged(destination);
  const isSame =
    staged?.manifest.id === manifest.id &&
    staged.plan.parts === plan.parts &&
    JSON.stringify([staged.plan.have, staged.plan.attributes]) ===
      JSON.stringify([plan.have, plan.attributes]);
  const excluded = isSame && staged !== undefined ? staged.plan.excluded : [];
  const { unselected, parts, assemblies } = plan;
  const stored: StagedPlan = {
    have: [...plan.have],
    attributes: [...plan.attributes],
    excluded,
    ...(parts === undefined ? {} : { parts, assemblies }),
    ...(unselected === undefined ? {} : { unselected: { ...unselected, entries: [...unselected.entries] } }),
  };
  if (isSame) {
    context.report({
      type: 'notice',
      message: 'an earlier run left bytes of the same entries; they are taken over',
    });
  } else {
    await discardStaged(destination);
    await saveStaged(await destination.store.openStaging(destination.stagingId), manifest, stored);
  }
  await folder.clear();
  const { landing } = destination;
  const leftOut = { unlisted, unselected: unselected?.count ?? 0 };
  const unread = ChunkSet.fromRuns(excluded, manifest.entries.length).size;
  await saveRecord(task, session, { direction: 'pull', manifest, plan, landing, leftOut, excluded: unread });
  return stored;
}
