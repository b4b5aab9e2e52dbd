/** One pass of a push, from the agreed plan to the commit. */
import * as v from 'valibot';
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../../checkpoint/chunk-set.ts';
import { DIGEST_LENGTH_BYTES } from '../../manifest/digest.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { StringList } from '../../manifest/string-table.ts';
import { CommitRequest, type CommitReply } from '../../wire/messages.ts';
import { missingChunks, type Asked } from '../session/committing.ts';
import { sync } from '../session/session-calls.ts';
import { leftOutBy, reportLeftOut } from '../session/left-out-entries.ts';
import { reportUnkept } from '../session/unkept-report.ts';
import { createJournalWriter } from '../state/journal-writer.ts';
import { planDeletions, refusedForUnseen, tellDeleted, type Mirror } from '../transfer/deletion-plan.ts';
import type { PassResult } from '../transfer/pass-result.ts';
import { openPass, type PassSubject } from '../transfer/pass.ts';
import { claimOf, farewell, runPass } from '../transfer/run-pass.ts';
import { createCommitAhead } from './commit-ahead.ts';
import { backupUrlPath, getExtras, giveDeletions } from './push-deletions.ts';
import { hasSmaller, isTooLarge, tooLargeFor } from './fitting-chunks.ts';
import { isStaleParts, stalePartsOf } from '../transfer/stale-parts.ts';
import { sendChunks } from './push-chunks.ts';
import { noteStatus, type PushJob } from './push-job.ts';
import { applyCheckpoint, countResumed, hasBrought, takeOver, type EarlierState } from './server-chunks.ts';
import type { LocalSource } from './source.ts';
import { createSourceReader } from './source-reader.ts';
import { doubtEntry } from './verify-chunks.ts';

/** What a pass needs. */
export interface PushPassOptions extends PassSubject {
  readonly source: LocalSource;
  readonly identities: StringList;
  /** The local checkpoint; undefined where nothing is worth keeping. */
  readonly log: CheckpointLog | undefined;
  readonly earlier: EarlierState;
  /** Whether directories at the target give way, with all that is in them, to entries of another type. */
  readonly forceReplace: boolean | undefined;
  /** Where the server keeps what is replaced or deleted; undefined where it does not. */
  readonly backupDirectory?: string | undefined;
  /** What the target has and the source has not is deleted; undefined where it stays. */
  readonly mirror?: Mirror | undefined;
}

/**
 * Sends the chunks that are to do, and commits. When the signal ends it, the durable chunks are written down first.
 *
 * @throws CairnError network codes, session codes, storage codes, `digest-mismatch`, the signal's reason
 */
export async function runPushPass(options: PushPassOptions): Promise<PassResult> {
  const { manifest, session, earlier } = options;
  try {
    const job = await openJob(options);
    try {
      return await carryOut(options, job);
    } catch (error) {
      if (isStaleParts(error)) {
        await session.abandon();
        throw error;
      }
      const isGivenUp = isTooLarge(error) && hasSmaller(manifest.chunkSizeBytes) && !hasBrought(job, earlier);
      if (!isGivenUp) throw error;
      await session.abandon();
      throw tooLargeFor(error, manifest.chunkSizeBytes);
    } finally {
      await job.checkpoint?.writer.stop();
    }
  } finally {
    await options.log?.close();
  }
}

async function carryOut(options: PushPassOptions, job: PushJob): Promise<PassResult> {
  const { earlier } = options;
  const before = earlier === 'committing' ? commitBefore(job, options) : undefined;
  const trusted = before === undefined ? await takeOver(job, earlier) : new ChunkSet();
  if (before !== undefined) countResumed(job, before);
  return runPass(job, {
    onCheckpoint: (reply, terms) => applyCheckpoint(job, reply, terms),
    moveAll: async () => {
      if (before !== undefined) return { request: before };
      const asked = await bringAll(job, trusted);
      await agreeOnDeletions(job);
      return asked;
    },
    keepClaim: (claim) => keepClaim(job, claim, options),
    mend: async (refusal) => {
      const stale = stalePartsOf(refusal, job.plan);
      if (stale !== undefined) throw stale;
      // Nothing was looked at in this run: the next one finds the session open and begins with that.
      if (before !== undefined) return false;
      const missing = missingChunks(refusal, job.layout.chunkCount);
      job.board.miss(missing.values());
      await sendChunks(job);
      return missing.size > 0;
    },
    save: (isInterrupted) => save(job, isInterrupted),
    conclude: async ({ reply }) => ({
      ...leftOutOf(job, reply),
      deleted: tellDeleted(job.deletions.plan, reply.deleted, job.context),
    }),
  });
}

/** Once everything has come: what to delete is known to the server before it is asked to commit. */
async function agreeOnDeletions({
  mirror,
  deletions,
  session,
  manifest,
  excluded,
  report,
}: PushJob): Promise<void> {
  if (mirror === undefined) return;
  deletions.plan = await planDeletions(mirror, manifest, () => session.run(getExtras), {
    excluded: excluded.size,
    report,
  });
  await giveDeletions(session, deletions.plan);
}

/** Sends all chunks, and over a long line already asks for the commit with the last of them; answers that. */
async function bringAll(job: PushJob, trusted: ReadonlyChunkSet): Promise<Asked | undefined> {
  const asked = await job.ahead.around(() => sendChunks(job));
  while (await job.reader.checkIdentities(trusted)) await sendChunks(job);
  return asked;
}

async function openJob(options: PushPassOptions): Promise<PushJob> {
  const { context, session, source, manifest, identities, log, earlier, mirror } = options;
  const excluded = excludedBefore(log, manifest);
  const { unconfirmedBytes } = context.server.connection;
  const pass = await openPass(options, { excluded, name: source.fileName ?? '.' }, unconfirmedBytes);
  const there = earlier === 'committing' ? undefined : new ChunkDigests(DIGEST_LENGTH_BYTES[manifest.digest]);
  const keep = (claim: CommitRequest): Promise<CommitRequest> => keepClaim(job, claim, options);
  const job: PushJob = {
    ...pass,
    reader: createSourceReader({
      pass,
      source,
      identities,
      onTouched: (entryIndex) => doubtEntry(job, entryIndex),
    }),
    checkpoint: log === undefined ? undefined : { log, writer: createJournalWriter(log) },
    partialChunks: new Map(),
    unverified: { chunks: [], there },
    durable: { bytes: 0 },
    mirror,
    deletions: { plan: undefined },
    // What is to be deleted is looked for once everything has come, and the commit comes after that.
    ahead: createCommitAhead(context, session, () =>
      earlier === undefined && mirror === undefined && isAllRead(job)
        ? claimOf(job, { keepClaim: keep })
        : undefined,
    ),
  };
  return job;
}

/** Whether every chunk was read, and nothing had to be left out that could still change their digests. */
function isAllRead({ board, layout, reader, excluded }: PushJob): boolean {
  const isProved = excluded.size === 0 && reader.touches === 0;
  return isProved && board.digests.chunks.size === layout.chunkCount;
}

/**
 * Keeps what both sides are about to agree on. A run that does not live to hear the answer asks the same again, whatever
 * has become of the source since: a published tree no longer depends on its source.
 */
async function keepClaim(job: PushJob, claim: CommitRequest, wishes: CommitWishes): Promise<CommitRequest> {
  const { digest, bytesTotal, excluded } = claim;
  const deletions = deletionsFor(job);
  const asked = { digest, bytesTotal, excluded, ...(deletions === undefined ? {} : { deletions }) };
  await job.checkpoint?.log.append({ note: { commit: asked } });
  return { ...asked, ...wishesOf(wishes) };
}

/** Entries that were left out since the list was made may be what is in it under another name. */
function deletionsFor({ mirror, deletions, excluded, report }: PushJob): string | undefined {
  const { plan } = deletions;
  if (mirror === undefined || plan?.list === undefined) return undefined;
  const refused = refusedForUnseen(mirror, excluded.size, report);
  if (refused !== undefined) deletions.plan = refused;
  return deletions.plan?.list?.id;
}

/** What an earlier run asked to commit. */
function commitBefore({ checkpoint }: PushJob, wishes: CommitWishes): CommitRequest | undefined {
  const kept = v.safeParse(CommitRequest, checkpoint?.log.note['commit']);
  return kept.success ? { ...kept.output, ...wishesOf(wishes) } : undefined;
}

/** What the user asks of publishing. */
type CommitWishes = Pick<PushPassOptions, 'forceReplace' | 'backupDirectory'>;

function wishesOf({
  forceReplace,
  backupDirectory,
}: CommitWishes): Pick<CommitRequest, 'forceReplace' | 'backup'> {
  return {
    forceReplace,
    ...(backupDirectory === undefined ? {} : { backup: backupUrlPath(backupDirectory) }),
  };
}

/** Names what the server could not publish. */
function leftOutOf(
  { context, manifest, plan }: PushJob,
  reply: CommitReply,
): Pick<PassResult, 'leftOut' | 'unlisted' | 'unkept'> {
  const have = ChunkSet.fromRuns(plan.have, manifest.entries.length);
  const { unlisted = 0 } = reply;
  const options = { isPresent: (index: number) => have.has(index), report: context.report, unlisted };
  const unkept = reportUnkept(reply.unkept ?? [], manifest, context.report);
  return { leftOut: reportLeftOut(leftOutBy(reply, manifest), manifest, options), unlisted, unkept };
}

/** Entries in whose place an earlier run sent zeros. */
function excludedBefore(log: CheckpointLog | undefined, manifest: Manifest): ChunkSet {
  const runs = log?.note['excluded'];
  return ChunkSet.fromRuns(Array.isArray(runs) ? (runs as number[]) : [], manifest.entries.length);
}

/** Writes down the durable chunks; after a signal the server is asked for a sync point first, within a short time. */
async function save(job: PushJob, isInterrupted: boolean): Promise<void> {
  try {
    // The next run hashes the chunks that are not written down now.
    if (isInterrupted) noteStatus(job, await sync(farewell(job)));
  } finally {
    await job.checkpoint?.writer.flush();
  }
}
