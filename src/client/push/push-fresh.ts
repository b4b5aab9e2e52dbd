/** A pass of a push that begins with a scan. */
import { CairnError } from '../../base/errors.ts';
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import { chunkSizeFor, WISHED_CHUNKS } from '../../manifest/chunk-size.ts';
import type { EntryList } from '../../manifest/entry-table.ts';
import { createLayout } from '../../manifest/layout.ts';
import { createManifest, type Manifest, type ManifestParameters } from '../../manifest/manifest.ts';
import { knownKinds, type MetadataKind } from '../../manifest/metadata.ts';
import { narrowEntries } from '../../manifest/narrow-entries.ts';
import type { CheckpointReply, Comparison } from '../../wire/messages.ts';
import { PLAN } from '../../wire/routes.ts';
import { agreeOnPlan, establishRequest, openForChunks } from '../session/plan-agreement.ts';
import { type PartsPlan } from '../session/plan-layout.ts';
import { establish, getCheckpoint, putManifest } from '../session/session-calls.ts';
import { createSessionClient, type SessionClient } from '../session/session-client.ts';
import { treeBody } from '../session/tree-body.ts';
import { METADATA_WORDS } from '../session/unkept-report.ts';
import {
  type FoundParts,
  mayUseParts,
  tellBlocks,
  withParts,
  withPartsOfServer,
} from '../transfer/changed-parts.ts';
import { makePlan, type LocalFile } from '../transfer/comparing.ts';
import { endDryRun } from '../transfer/dry-run.ts';
import { mirrorOf, planDeletions, type DeletionPlan, type Mirror } from '../transfer/deletion-plan.ts';
import type { PassResult } from '../transfer/pass-result.ts';
import { lookAtServer } from '../transfer/there-listed.ts';
import type { TransferTask } from '../transfer/transfer-task.ts';
import { keepPass, keepsAhead, saveDocuments } from './keep-pass.ts';
import { backupUrlPath, getExtras } from './push-deletions.ts';
import { runPushPass } from './push-pass.ts';
import { pushVersions } from './push-versions.ts';
import type { LocalSource, ScannedSource } from './source.ts';

/** A push from its sources to a target. */
export interface PushTask extends TransferTask {
  readonly source: LocalSource;
  /** Target of the transfer: that of the URL, and the name of a file that goes below it. */
  readonly target: string;
  /** The kinds of metadata that its entries carry. */
  readonly metadata: readonly MetadataKind[];
}

/** The parameters that the user wishes for, or that suit these entries on this line; and those that suit another one. */
function wishedParameters(
  { context, options, metadata }: Pick<PushTask, 'context' | 'options' | 'metadata'>,
  entries: EntryList,
): { readonly wished: ManifestParameters; readonly others: readonly ManifestParameters[] } {
  const { digest = 'xxh64', chunkSizeBytes } = options;
  if (chunkSizeBytes !== undefined) return { wished: { chunkSizeBytes, digest, metadata }, others: [] };
  let bytesTotal = 0;
  for (let index = 0; index < entries.length; index += 1) bytesTotal += entries.sizeOf(index);
  const best = chunkSizeFor(bytesTotal, context.wishedChunks);
  const sizes = new Set(Object.values(WISHED_CHUNKS).map((count) => chunkSizeFor(bytesTotal, count)));
  sizes.delete(best);
  return {
    wished: { chunkSizeBytes: best, digest, metadata },
    others: [...sizes].map((size) => ({ chunkSizeBytes: size, digest, metadata })),
  };
}

/**
 * Establishes a session for what was scanned, agrees on the plan, and carries it out.
 *
 * @param distrusted paths that are sent whatever their size and time say
 * @throws CairnError like {@link runPushPass}; `is-directory`, `not-directory` where something is in the way
 */
export async function freshPass(
  task: PushTask,
  scanned: ScannedSource,
  distrusted?: ReadonlySet<string>,
): Promise<PassResult> {
  const { context, folder, source, options } = task;
  context.report({ type: 'phase', phase: 'comparing', entries: scanned.entries.length });
  const { session, manifest } = await establishPush(task, scanned);
  const wasThere = session.terms.resumed;
  const mirror = mirrorOf(
    options,
    scanned.notices,
    (entry) => scanned.selector.unselected(entry) !== undefined,
  );
  let log: CheckpointLog | undefined;
  let ready: Agreed;
  const documents = keepsAhead(task, session) ? saveDocuments(task, manifest, scanned) : undefined;
  documents?.catch(() => undefined); // told by `keepPass`
  try {
    ready = await agree(task, session, manifest, scanned, distrusted);
    if (options.dryRun === true) {
      const { plan, comparison } = ready;
      return await endDryRun(context.report, session, manifest, {
        plan,
        comparison,
        there: await lookAtServer(context.server, context.signal),
        deletions: await wouldDelete(context, session, manifest, mirror),
        forceReplace: options.forceReplace,
        name: source.fileName ?? '.',
      });
    }
    log = await keepPass(task, session, { manifest, scanned, plan: ready.plan, documents });
  } catch (error) {
    await documents?.catch(() => undefined); // nothing may be written any more once the folder is let go
    // Nothing was sent yet that would be worth coming back for, unless an earlier run did.
    if (!wasThere) await session.abandon();
    throw error;
  }
  const { identities } = scanned;
  const pass = runPushPass({
    context,
    session,
    source,
    folder,
    manifest,
    identities,
    log,
    report: context.report,
    forceReplace: options.forceReplace,
    backupDirectory: options.backupDirectory,
    plan: ready.plan,
    earlier: ready.earlier,
    mirror,
  });
  return pass.catch(async (error: unknown) => {
    // An empty source: nobody comes back for that.
    if (error instanceof CairnError && error.code === 'too-many-deletions') await session.abandon();
    throw error;
  });
}

/** What a push would delete, in a dry run. */
async function wouldDelete(
  { report }: PushTask['context'],
  session: SessionClient,
  manifest: Manifest,
  mirror: Mirror | undefined,
): Promise<DeletionPlan | undefined> {
  return mirror && planDeletions(mirror, manifest, () => session.run(getExtras), { report });
}

async function establishPush(
  task: PushTask,
  { entries }: ScannedSource,
): Promise<{ session: SessionClient; manifest: Manifest }> {
  const { context, options, target, metadata } = task;
  const parameters = wishedParameters(task, entries);
  const wished = createManifest(parameters.wished, entries);
  const { chunkSizeBytes: wishedBytes, digest: wishedDigest } = wished;
  const request = establishRequest(context, {
    direction: 'push',
    target,
    digest: wishedDigest,
    chunkSizeBytes: wishedBytes,
    sync: options.sync,
    ...(options.preserveModes === true ? { preserveModes: true } : {}),
    ...(metadata.length === 0 ? {} : { metadata: [...metadata] }),
    ...(options.mirror === undefined ? {} : { deletes: true }),
    ...(options.backupDirectory === undefined ? {} : { backup: backupUrlPath(options.backupDirectory) }),
  });
  // A dry run must not take over a session that another run wants to go on with, and the plan of an unfinished one says
  // nothing of digests.
  const isNew = options.dryRun === true || options.checksum === true || options.wholeFiles === true;
  const wanted = isNew
    ? request
    : {
        ...request,
        manifestId: wished.id,
        otherManifestIds: parameters.others.map((other) => createManifest(other, entries).id),
      };
  const terms = await context.retrier.run(async () => {
    const found = await establish(context.server, wanted, context.signal);
    if (found.state !== 'committing') return found;
    throw new CairnError(
      'server-busy',
      'the server is still publishing an earlier transfer of the same entries',
    );
  });
  context.retrier.progressed();
  const { chunkSizeBytes, digest } = terms;
  const session = createSessionClient(context, terms);
  const agreed = agreedMetadata(task, session);
  const isNarrowed = agreed.length < metadata.length;
  const isAsWished = chunkSizeBytes === wished.chunkSizeBytes && digest === wished.digest && !isNarrowed;
  const carried = isNarrowed ? narrowEntries(entries, agreed) : entries;
  const parametersOfAll = { chunkSizeBytes, digest, metadata: agreed };
  return { session, manifest: isAsWished ? wished : createManifest(parametersOfAll, carried) };
}

/** The kinds that the server has agreed to; what this token may not set is told. */
function agreedMetadata(
  { metadata, context }: PushTask,
  { terms }: Pick<SessionClient, 'terms'>,
): readonly MetadataKind[] {
  const agreed = knownKinds(terms.metadata ?? []).filter((kind) => metadata.includes(kind));
  const denied = metadata.filter((kind) => !agreed.includes(kind));
  if (denied.length === 0) return metadata;
  if (denied.includes('hard-links')) {
    const message = 'the server keeps hard links by its greeting, and not in this session; run it again';
    throw new CairnError('server-busy', message);
  }
  const words = denied.filter((kind) => kind !== 'names').map((kind) => METADATA_WORDS[kind]);
  if (words.length > 0) {
    const message = `${words.join(', ')} are not kept: this access token may not set them`;
    context.report({ type: 'notice', message });
  }
  return agreed;
}

interface Agreed {
  readonly plan: PartsPlan;
  /** What the server has of it already. */
  readonly earlier: CheckpointReply | undefined;
  /** What the plan was made from. */
  readonly comparison?: Comparison;
}

/** The plan: that of the session which the server has found again, or a new one. */
async function agree(
  task: PushTask,
  session: SessionClient,
  manifest: Manifest,
  scanned: ScannedSource,
  distrusted: ReadonlySet<string> | undefined,
): Promise<Agreed> {
  const { context, options, source } = task;
  const { resumed, manifestId } = session.terms;
  if (resumed && manifestId === manifest.id) {
    const earlier = await session.run(getCheckpoint);
    context.counters.resumes += 1;
    if (earlier.plan !== null) {
      const message =
        'the server has an unfinished transfer of the same entries; its chunks are compared with the local files';
      context.report({ type: 'notice', message });
      return { plan: await withPartsOfServer(session, manifest, earlier.plan), earlier };
    }
  }
  const comparison = await compareThere(task, session, manifest, { scanned, distrusted });
  context.retrier.progressed();
  const locate = (index: number): LocalFile => ({
    ...source.locate(manifest.entries.pathOf(index)),
    identity: scanned.identities.at(index),
  });
  const made = await makePlan({
    context,
    session,
    manifest,
    comparison,
    checksum: options.checksum === true,
    locate,
    distrusted,
  });
  const openVersions = pushVersions(task, session, manifest, locate);
  const parted = { context, session, manifest, comparison, openVersions };
  const found = mayUseParts(options, session) ? await withParts(parted, made) : made;
  const { cuts: _told, ...plan }: FoundParts = found;
  if (options.dryRun !== true) await agreeOnPlan(context, session, manifest, plan, comparison.accepted);
  await tellBlocks(session, found);
  return { plan, earlier: undefined, comparison };
}

/** Has the server compare; where nothing else can come of it, the plan that it proposes is agreed with that. */
async function compareThere(
  { context, options }: PushTask,
  session: SessionClient,
  manifest: Manifest,
  { scanned, distrusted }: { scanned: ScannedSource; distrusted: ReadonlySet<string> | undefined },
): Promise<Comparison> {
  const isClear = options.dryRun !== true && options.checksum !== true && (distrusted?.size ?? 0) === 0;
  const proposed = mayUseParts(options, session) ? PLAN.proposedUnlessOlder : PLAN.proposed;
  const plan = isClear ? proposed : undefined;
  // Where there is something already, most of it may be the same, and few connections needed.
  if (isClear && session.terms.isTargetNew === true)
    openForChunks(context, session, () => createLayout(manifest).chunkCount);
  const { forceReplace } = options;
  return session.run((at) => putManifest(at, treeBody(manifest, scanned.notices), { plan, forceReplace }));
}
