/** `POST sessions/{id}/commit`: both sides agree on the whole, and in a push it is published. */
import { atMost } from '../../../base/at-most.ts';
import { CairnError } from '../../../base/errors.ts';
import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import { nextState, type SessionRecord } from '../../../session/record.ts';
import { CommitWithoutRuns, type CommitReply, type CommitRequest } from '../../../wire/messages.ts';
import { checkStands } from '../../access/authenticator.ts';
import { checkBytes, openUsage } from '../../core/quota/quota.ts';
import { checkAllowsSession } from '../../core/sessions/renewal.ts';
import { awaitChunks } from '../../core/sessions/chunks-to-come.ts';
import { verifyPush } from '../../core/sessions/commit-check.ts';
import {
  noteCommitFailure,
  startCommitJob,
  type CommitJob,
  type CommitRecord,
} from '../../core/sessions/commit-job.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { LiveSession } from '../../core/sessions/live-session.ts';
import type { LiveSessions } from '../../core/sessions/live-sessions.ts';
import { sideBySide } from '../../core/sessions/side-by-side.ts';
import { sendJson } from '../../http/reply.ts';
import { readRunsMessage } from '../../http/request-runs.ts';
import type { ServerContext, SessionContext } from '../../server-context.ts';
import { withSession, type SessionWork } from './session-request.ts';

/** Interrupted commits that go on at a time after a start: each opens files, and all write to one disk. */
const RESUMED_AT_A_TIME = 4;

/** Commits a session. The answer is 200 when it is done, 202 while it goes on. */
export function handleCommit(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'commit' }, async (work) => {
    const { live, epoch } = work;
    const request = await readCommit(context, exchange, live.record.value);
    if (request.awaitChunks === true) await chunksToCome(context, work, request);
    const job = await live.exclusive(() => beginCommit(context, work, request));
    if (job !== undefined) await atMost(context.limits.commitWaitMs, job.done);
    live.record.checkEpoch(epoch);
    const reply = replyOf(live, job);
    await sendJson(exchange, reply.state === 'committed' ? 200 : 202, reply);
  });
}

/** The manifest of a session that was committed is gone, and records of older servers do not say how long it was. */
async function readCommit(
  { limits }: ServerContext,
  exchange: Exchange,
  { entries = limits.manifest.maxEntries }: SessionRecord,
): Promise<CommitRequest> {
  const { message, sets } = await readRunsMessage(exchange, {
    schema: CommitWithoutRuns,
    names: ['excluded'],
    entries,
    maxBytes: limits.maxRunsBytes,
    what: 'the commit',
  });
  return { ...message, excluded: sets.excluded.runs() };
}

async function chunksToCome(
  { limits }: ServerContext,
  { live, request }: SessionWork,
  claim: CommitRequest,
): Promise<void> {
  const { direction } = live.record.value;
  if (direction !== 'push')
    throw new CairnError('invalid-request', 'the commit of a pull has no chunks to wait for');
  await awaitChunks(live, request, { claim, waitMs: limits.commitWaitMs });
}

async function beginCommit(
  context: ServerContext,
  work: SessionWork,
  request: CommitRequest,
): Promise<CommitJob | undefined> {
  const { live } = work;
  // An abort may have had its turn since the request was admitted.
  nextState(live.record.value, 'commit');
  const { state } = live.record.value;
  const before = commitOf(live);
  if (before === undefined) return startCommitJob(context, live, await record(context, work, request));
  if (before.digest !== request.digest) {
    const code = state === 'committed' ? 'digest-mismatch' : 'session-state';
    throw new CairnError(code, `the session is ${state} with another digest`);
  }
  if (state === 'committed') return undefined;
  // The job may have ended with a failure, or with the server that it ran in.
  if (live.job?.isRunning === true) return live.job;
  const { leaveOut, forceReplace } = request;
  return startCommitJob(context, live, { ...before, leaveOut, forceReplace });
}

/** Checks the claim where that comes first, and writes down what is to be done before anything of it is. */
async function record(
  context: ServerContext,
  { live, epoch, cause }: SessionWork,
  request: CommitRequest,
): Promise<CommitRecord> {
  const { manifest } = await live.content.agreedPlan();
  const { digest, bytesTotal } = request;
  const excluded = ChunkSet.fromRuns(request.excluded, manifest.entries.length).runs();
  const { leaveOut, forceReplace } = request;
  const entriesTotal = manifest.entries.length;
  const commit: CommitRecord = { digest, bytesTotal, excluded, entriesTotal, leaveOut, forceReplace };
  live.sealed = true;
  try {
    const error = new CairnError('session-state', 'the session takes no chunks while it is being committed');
    await live.endRequests((other) => other.chunk !== undefined, error);
    if (live.record.value.direction === 'push') await verifyPush(live, commit);
    await checkMayCommit(context, live, bytesTotal);
    await live.record.change('commit', { commit, holder: context.instanceId }, epoch, cause);
  } catch (failure) {
    await noteCommitFailure(live, failure);
    throw failure;
  } finally {
    live.sealed = false;
  }
  return commit;
}

/**
 * Whoever opened the session may have lost the right to since. It then stays open, with all that has come, for whoever
 * resumes it with a better token.
 */
async function checkMayCommit(
  { usage, authenticators, wallNow }: ServerContext,
  live: LiveSession,
  bytesTotal: number,
): Promise<void> {
  await openUsage(usage);
  const { id, authorization, direction, linkBytes = 0 } = live.record.value;
  if (authorization === undefined) return;
  checkStands(authenticators, authorization, wallNow());
  checkAllowsSession(authorization, live.record.value);
  if (direction === 'push') checkBytes(usage, authorization, id, bytesTotal + linkBytes);
}

function commitOf(live: LiveSession): CommitRecord | undefined {
  const { state, commit } = live.record.value;
  if (commit === null || (state !== 'committing' && state !== 'committed')) return undefined;
  return commit;
}

function replyOf(live: LiveSession, job: CommitJob | undefined): CommitReply {
  const { state } = live.record.value;
  const commit = commitOf(live);
  if (commit === undefined || (state !== 'committing' && state !== 'committed')) {
    throw new CairnError('session-state', `the session is ${state}, although it was being committed`);
  }
  const { digest, entriesTotal, unpublished, unlisted } = commit;
  const entriesDone = state === 'committed' ? entriesTotal : (job?.entriesDone ?? 0);
  const leftOut = state === 'committed' && unpublished !== undefined;
  const left = leftOut ? { unpublished: copied(unpublished), unlisted } : {};
  return { state, entriesDone, entriesTotal, digest, ...left };
}

function copied(unpublished: NonNullable<CommitRecord['unpublished']>): CommitReply['unpublished'] {
  return unpublished.map(({ code, entries }) => ({ code, entries: [...entries] }));
}

/**
 * Finishes the publishing that another run of this server left in the middle, a few sessions at a time. Resolves when
 * all are over, or when those that had begun are after `isStopping` says so.
 */
export async function resumeCommits(
  context: SessionContext,
  sessions: LiveSessions,
  isStopping: () => boolean,
): Promise<void> {
  // Where others see the same sessions, the one that holds this may be alive: its client asks again.
  if (context.sessions.properties.shared) return;
  await sideBySide(context.sessions.list(), RESUMED_AT_A_TIME, async ({ id, state, direction, holder }) => {
    if (state !== 'committing' || direction !== 'push' || holder === context.instanceId) return;
    if (isStopping()) return;
    try {
      const job = await sessions.use(id, (live) => live.exclusive(() => resumeCommit(context, live)));
      await job?.done.catch(() => undefined); // logged by the job itself
    } catch (error) {
      context.log.error({ session: id, err: error }, 'resuming an interrupted commit failed');
    }
  });
}

/**
 * Goes on with a commit that is written down and that nobody works on: it was interrupted, or it failed. To be called in
 * the session's turn; undefined where there is nothing to do.
 */
export async function resumeCommit(
  context: SessionContext,
  live: LiveSession,
): Promise<CommitJob | undefined> {
  const commit = commitOf(live);
  if (commit === undefined || live.record.value.state !== 'committing' || live.job?.isRunning === true) {
    return undefined;
  }
  await live.record.change(undefined, { holder: context.instanceId });
  context.log.info({ session: live.id }, 'publishing goes on where it was interrupted');
  return startCommitJob(context, live, commit);
}
