/** One pass of a push, from the agreed plan to the commit. */
import * as v from 'valibot';
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../../checkpoint/chunk-set.ts';
import { emptiedChunks } from '../../checkpoint/emptied-chunks.ts';
import { DIGEST_LENGTH_BYTES, loadHasher, sameDigest } from '../../manifest/digest.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { StringList } from '../../manifest/string-table.ts';
import { CommitRequest, type CheckpointReply, type CommitReply, type Plan } from '../../wire/messages.ts';
import { ChunkBoard } from '../transfer/chunk-board.ts';
import { commitRequest } from '../session/commit-request.ts';
import { createCommitAhead } from './commit-ahead.ts';
import { missingChunks, type Asked } from '../session/committing.ts';
import { leftOutBy, reportLeftOut } from '../session/unpublished.ts';
import type { Report } from '../api/events.ts';
import { layoutOf } from '../session/plan-layout.ts';
import type { PassResult } from '../transfer/pass-result.ts';
import { runPass } from '../transfer/run-pass.ts';
import { createJournalWriter } from '../state/journal-writer.ts';
import {
  applyCheckpoint,
  doubtEntry,
  noteStatus,
  sendChunks,
  serverDigests,
  setHeld,
  type PushJob,
} from './push-chunks.ts';
import { suspend, sync } from '../session/session-calls.ts';
import { FAREWELL_MS, type SessionClient } from '../session/session-client.ts';
import { hasBrought, hasSmaller, isTooLarge, tooLargeFor } from './fitting-chunks.ts';
import type { LocalSource } from './source.ts';
import { createSourceReader } from './source-reader.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { TransferFolder } from '../state/transfer-folder.ts';
import { createProgress } from '../transfer/transfer-progress.ts';

/** What a pass needs. */
export interface PassOptions {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly source: LocalSource;
  readonly folder: TransferFolder;
  readonly manifest: Manifest;
  readonly identities: StringList;
  readonly plan: Plan;
  /** The local checkpoint; undefined where nothing is worth keeping. */
  readonly log: CheckpointLog | undefined;
  /** What the server has already, of an earlier run; `committing` where it has everything. */
  readonly earlier: CheckpointReply | 'committing' | undefined;
  /** Told of excluded entries. */
  readonly report: Report;
  /** Whether directories at the target give way, with all that is in them, to entries of another type. */
  readonly forceReplace: boolean | undefined;
}

/**
 * Sends what is to be sent and commits. When the signal ends it, what is durable is written down first.
 *
 * @throws CairnError network codes, session codes, storage codes, `digest-mismatch`, the signal's reason
 */
export async function runPushPass(options: PassOptions): Promise<PassResult> {
  try {
    const job = await openJob(options);
    try {
      return await carryOut(options, job);
    } finally {
      await job.checkpoint?.writer.stop();
    }
  } finally {
    // The session's timers live as long as the run; they would keep all entries of the pass.
    options.session.setHooks({});
    await options.log?.close();
  }
}

async function carryOut(options: PassOptions, job: PushJob): Promise<PassResult> {
  const { context, session, manifest, plan, earlier } = options;
  const { layout, board, progress } = job;
  const before = earlier === 'committing' ? commitBefore(job, options) : undefined;
  const trusted = before === undefined ? await takeOver(job, earlier) : new ChunkSet();
  if (before !== undefined) countResumed(job, before);
  const subject = { context, session, manifest, plan, layout, progress };
  return runPass(subject, {
    moveAll: async () => (before === undefined ? bringAll(job, trusted) : { request: before }),
    claim: () => keepCommit(job, options),
    mend: async (refusal) => {
      // Nothing was looked at in this run: the next one finds the session open and begins with that.
      if (before !== undefined) return false;
      const missing = missingChunks(refusal, layout.chunkCount);
      board.miss(missing.values());
      await sendChunks(job);
      return missing.size > 0;
    },
    leave: async (error) => {
      if (isTooLarge(error) && hasSmaller(manifest.chunkSizeBytes) && !hasBrought(job, earlier)) {
        await session.abandon();
        throw tooLargeFor(error, manifest.chunkSizeBytes);
      }
      await leave(job);
    },
    conclude: async ({ reply }) => leftOutOf(options, reply),
  });
}

/** Sends all chunks, and over a long line already asks for the commit with the last of them; answers that. */
async function bringAll(job: PushJob, trusted: ReadonlyChunkSet): Promise<Asked | undefined> {
  const asked = await job.ahead.around(() => sendChunks(job));
  while (await job.reader.checkIdentities(trusted)) await sendChunks(job);
  return asked;
}

async function openJob(options: PassOptions): Promise<PushJob> {
  const { context, session, source, folder, manifest, identities, plan, log, report } = options;
  const layout = layoutOf(manifest, plan);
  const digestLengthBytes = DIGEST_LENGTH_BYTES[manifest.digest];
  const excluded = excludedBefore(log, manifest);
  const job: PushJob = {
    context,
    session,
    manifest,
    layout,
    reader: createSourceReader({
      source,
      manifest,
      identities,
      layout,
      excluded,
      report,
      onTouched: (entryIndex) => doubtEntry(job, entryIndex),
    }),
    board: new ChunkBoard(layout.chunkCount, digestLengthBytes),
    progress: createProgress(
      context,
      { manifest, layout, name: source.fileName ?? '' },
      context.server.connection.unconfirmedBytes,
    ),
    createHasher: await loadHasher(manifest.digest),
    checkpoint: log === undefined ? undefined : { log, writer: createJournalWriter(log) },
    held: new Map(),
    unverified: {
      chunks: [],
      there: options.earlier === 'committing' ? undefined : new ChunkDigests(digestLengthBytes),
    },
    durable: { bytes: 0 },
    ahead: createCommitAhead(context, session, () =>
      options.earlier === undefined && isAllRead(job) ? keepCommit(job, options) : undefined,
    ),
  };
  session.setHooks({
    onGrant: (grant) => folder.update({ session: grant }),
    onCheckpoint: (reply, grant) => applyCheckpoint(job, reply, grant),
  });
  return job;
}

/** Whether every chunk was read, and nothing had to be left out that could still change what is said of them. */
function isAllRead({ board, layout, reader }: PushJob): boolean {
  const isProved = reader.excluded.size === 0 && reader.touches === 0;
  return isProved && board.digests.chunks.size === layout.chunkCount;
}

/**
 * Keeps what both sides are about to agree on. A run that does not live to hear the answer asks the same again, whatever
 * has become of the source since: what is published by then is no longer the source's business.
 */
async function keepCommit(
  job: PushJob,
  { forceReplace }: Pick<PassOptions, 'forceReplace'>,
): Promise<CommitRequest> {
  const { manifest, layout, board, reader, checkpoint } = job;
  const request = commitRequest(manifest, layout, board.digests, reader.excluded);
  const { digest, bytesTotal, excluded } = request;
  await checkpoint?.log.append({ note: { commit: { digest, bytesTotal, excluded } } });
  return { ...request, forceReplace };
}

/** What an earlier run asked to commit. */
function commitBefore(
  { checkpoint }: PushJob,
  { forceReplace }: Pick<PassOptions, 'forceReplace'>,
): CommitRequest | undefined {
  const kept = v.safeParse(CommitRequest, checkpoint?.log.note['commit']);
  return kept.success ? { ...kept.output, forceReplace } : undefined;
}

/** Names what the server could not publish. */
function leftOutOf(
  { context, manifest, plan }: PassOptions,
  reply: CommitReply,
): Pick<PassResult, 'leftOut' | 'unlisted'> {
  const have = ChunkSet.fromRuns(plan.have, manifest.entries.length);
  const { unlisted = 0 } = reply;
  const options = { isPresent: (index: number) => have.has(index), report: context.report, unlisted };
  return { leftOut: reportLeftOut(leftOutBy(reply, manifest), manifest, options), unlisted };
}

function excludedBy({ excluded }: CommitRequest, manifest: Manifest): ChunkSet {
  return ChunkSet.fromRuns(excluded, manifest.entries.length);
}

/** Everything is at the server. */
function countResumed({ layout, manifest, progress }: PushJob, asked: CommitRequest): void {
  const emptied = emptiedChunks(manifest.entries, layout, excludedBy(asked, manifest)).chunks;
  for (const chunk of range(layout.chunkCount)) {
    if (!emptied.has(chunk)) progress.resumed(chunk, layout.chunkLengthBytes(chunk));
  }
}

/** Entries in whose place an earlier run sent zeros. */
function excludedBefore(log: CheckpointLog | undefined, manifest: Manifest): ChunkSet {
  const runs = log?.note['excluded'];
  return ChunkSet.fromRuns(Array.isArray(runs) ? (runs as number[]) : [], manifest.entries.length);
}

/**
 * Takes over what the server has of an earlier run: trusted where the local checkpoint has the same digest, looked into
 * where it does not. Answers the entries of which some bytes are trusted.
 */
async function takeOver(job: PushJob, earlier: PassOptions['earlier']): Promise<ReadonlyChunkSet> {
  const entries = new ChunkSet();
  if (earlier === undefined) return entries;
  const { board, layout, progress, checkpoint, unverified } = job;
  const there = earlier === 'committing' ? undefined : serverDigests(job, earlier);
  // A damaged journal may have lost what took a chunk back.
  const known = checkpoint?.log.corruptAt === undefined ? checkpoint?.log.digests : undefined;
  for (const chunk of there?.chunks.values() ?? range(layout.chunkCount)) {
    const own = known?.get(chunk);
    const digest = there?.get(chunk) ?? own;
    const lengthBytes = layout.chunkLengthBytes(chunk);
    progress.resumed(chunk, lengthBytes);
    for (const { entryIndex } of layout.segmentsOf(chunk)) entries.add(entryIndex);
    if (own !== undefined && digest !== undefined && sameDigest(own, digest)) {
      board.trust(chunk, own);
      job.durable.bytes += lengthBytes;
    } else {
      board.reserve(chunk);
      unverified.chunks.push(chunk);
      if (digest !== undefined) unverified.there?.set(chunk, digest);
    }
  }
  if (earlier !== 'committing') await takeOverRest(job, earlier);
  return entries;
}

/** What the server holds of other chunks, and what it has no longer. */
async function takeOverRest(job: PushJob, earlier: CheckpointReply): Promise<void> {
  const { held, progress, checkpoint } = job;
  const there = serverDigests(job, earlier);
  setHeld(job, earlier);
  for (const [chunk, bytes] of held) {
    if (there.has(chunk)) held.delete(chunk);
    else progress.resumed(chunk, bytes);
  }
  const forget = [...(checkpoint?.log.digests.chunks.values() ?? [])].filter((chunk) => !there.has(chunk));
  if (forget.length > 0) await checkpoint?.log.append({ forget });
}

function* range(count: number): Generator<number> {
  for (let chunk = 0; chunk < count; chunk += 1) yield chunk;
}

/** A run that ends early writes down what is durable; after a signal it also says goodbye to the server. */
async function leave(job: PushJob): Promise<void> {
  const { context, session, checkpoint } = job;
  if (context.signal.aborted) {
    const at = { server: context.server, grant: session.grant, signal: AbortSignal.timeout(FAREWELL_MS) };
    try {
      noteStatus(job, await sync(at));
      await suspend(at);
    } catch {
      // Only a courtesy: what is not written down now is hashed again by the next run.
    }
  }
  // The reason why the run ends is thrown by the caller, and matters more.
  await checkpoint?.writer.flush().catch(() => undefined);
}
