/** Begins commits: checks the claim and writes it down; and resumes interrupted ones. */
import { CairnError } from '../../../base/errors.ts';
import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import type { CommitRecord } from '../../../session/pass-record.ts';
import { nextState, type SessionChanges, type SessionRecord } from '../../../session/record.ts';
import type { CommitReply, CommitRequest } from '../../../wire/messages.ts';
import { checkBytes, openUsage, type Usage } from '../quota/quota.ts';
import type { CheckStands, SessionWork } from './admission.ts';
import { backupPathOf } from './backup-place.ts';
import { noteCommitFailure, startCommitJob, type CommitRunning } from './commit-job.ts';
import { checkMayDelete } from './deletions-taking.ts';
import type { CommitJob, LiveSession } from './live-session.ts';
import { passCommitOf } from './pass-commit.ts';
import type { Publishers } from './publishers.ts';
import { checkAllowsSession } from './renewal.ts';

const GOES_ON = 'publishing goes on where it was interrupted';

/** The state of a commit after a request for it: this node works on it, another one does, or it is over. */
export type BegunCommit = CommitJob | 'elsewhere' | undefined;

/** Commits of one server. Call both in the session's turn. */
export interface Commits {
  /**
   * Begins a commit, or finds the running one; undefined for a committed session.
   *
   * @throws CairnError `chunks-missing`, `digest-mismatch`, `session-state`, `session-fenced`, `quota-exceeded`,
   * `forbidden`, `token-expired`, `token-revoked`, storage codes
   */
  begin(work: SessionWork, request: CommitRequest): Promise<BegunCommit>;
  /**
   * Resumes a commit that is written down and that no node works on: it was interrupted, or it failed. Undefined
   * where there is nothing to do.
   */
  resume(live: LiveSession): Promise<CommitJob | undefined>;
}

/** The parts that begin commits. */
export interface CommitsOptions {
  readonly running: CommitRunning;
  readonly usage: Usage;
  readonly checkStands: CheckStands;
  readonly publishers: Pick<Publishers, 'isShared' | 'isElsewhere' | 'claim'>;
}

/** Makes the commits of one server. */
export function createCommits(options: CommitsOptions): Commits {
  const { running, publishers } = options;
  const begin: Commits['begin'] = async (work, request) => {
    const { live } = work;
    // An abort may have had its turn since the request was admitted.
    nextState(live.record.value, 'commit');
    const { state } = live.record.value;
    const before = commitOf(live);
    if (before === undefined) {
      try {
        const commit = await record(options, work, request);
        return startCommitJob(running, live, { commit, isVerified: true });
      } catch (failure) {
        // Another node may have been asked for the same commit, and have finished it.
        if (publishers.isShared) await live.record.refresh();
        if (commitOf(live) !== undefined) return begin(work, request);
        await noteCommitFailure(live, failure);
        throw failure;
      }
    }
    if (before.digest !== request.digest) {
      const code = state === 'committed' ? 'digest-mismatch' : 'session-state';
      throw new CairnError(code, `the session is ${state} with another digest`);
    }
    if (state === 'committed') return undefined;
    // The job may have failed, or ended with its server.
    if (live.job?.isRunning === true) return live.job;
    const { leaveOut, forceReplace } = request;
    const wasLeft = (live.record.value.publisher?.untilMs ?? 0) > 0;
    const isMine = await claim(publishers, live);
    if (!isMine) return 'elsewhere';
    if (wasLeft) running.log.info({ session: live.id }, GOES_ON);
    return startCommitJob(running, live, {
      commit: { ...before, leaveOut, forceReplace },
      isVerified: false,
    });
  };
  return {
    begin,
    resume: async (live) => {
      const commit = commitOf(live);
      const { state } = live.record.value;
      if (commit === undefined || state !== 'committing' || live.job?.isRunning === true) return undefined;
      if (!(await claim(publishers, live))) return undefined;
      running.log.info({ session: live.id }, GOES_ON);
      return startCommitJob(running, live, { commit, isVerified: false });
    },
  };
}

/** Claims a commit for this node; false where another node has it, or it is over. */
async function claim(publishers: CommitsOptions['publishers'], live: LiveSession): Promise<boolean> {
  const refusal = new CairnError('server-busy', 'another node works on the commit');
  try {
    await live.record.change(undefined, (current) => {
      if (current.state !== 'committing' || publishers.isElsewhere(current)) throw refusal;
      return publishers.claim(current);
    });
    return true;
  } catch (error) {
    if (error === refusal) return false;
    throw error;
  }
}

/** Checks the claim where that comes first, and writes down the commit before anything of it is done. */
async function record(
  options: CommitsOptions,
  { live, epoch, cause }: SessionWork,
  request: CommitRequest,
): Promise<CommitRecord> {
  const { manifest } = await live.content.agreedPlan();
  const { digest, bytesTotal } = request;
  const excluded = ChunkSet.fromRuns(request.excluded, manifest.entries.length).runs();
  const { leaveOut, forceReplace, deletions } = request;
  checkDeletions(live, deletions);
  const entriesTotal = manifest.entries.length;
  const commit: CommitRecord = {
    digest,
    bytesTotal,
    excluded,
    entriesTotal,
    leaveOut,
    forceReplace,
    deletions,
    backup: backupPathOf(live.record.value, request.backup),
  };
  const refusal = new CairnError('server-busy', 'another node has begun the commit');
  live.sealed = true;
  try {
    const error = new CairnError('session-state', 'the session takes no chunks while it is being committed');
    await live.endRequests((other) => other.chunk !== undefined, error);
    await passCommitOf(live).check(live, commit);
    await checkMayCommit(options, live, bytesTotal);
    const committing = (current: SessionRecord): SessionChanges => {
      if (current.state === 'committing' || current.state === 'committed') throw refusal;
      return { ...options.publishers.claim(current), pass: { commit } };
    };
    await live.record.change('commit', committing, epoch, cause);
  } finally {
    live.sealed = false;
  }
  return commit;
}

/** Refuses a commit with another list of deletions than the session has. @throws CairnError `session-state`, `forbidden` */
function checkDeletions(live: LiveSession, list: string | undefined): void {
  if (list === undefined) return;
  checkMayDelete(live.record.value);
  if (live.record.value.pass.deletions?.id === list) return;
  throw new CairnError('session-state', 'the session has no such list of deletions');
}

/**
 * The authorization of the session may have lost the right since it was opened. Then the session stays open with all
 * its chunks, for a client that resumes it with a better token.
 */
async function checkMayCommit(
  { usage, checkStands }: CommitsOptions,
  live: LiveSession,
  bytesTotal: number,
): Promise<void> {
  await openUsage(usage);
  const { authorization, pass } = live.record.value;
  const { linkBytes = 0 } = pass;
  if (authorization === undefined) return;
  checkStands(authorization);
  checkAllowsSession(authorization, live.record.value);
  checkBytes(usage, authorization, live.record.value, bytesTotal + linkBytes);
}

function commitOf(live: LiveSession): CommitRecord | undefined {
  const { state, pass } = live.record.value;
  const { commit } = pass;
  if (commit === null || (state !== 'committing' && state !== 'committed')) return undefined;
  return commit;
}

/**
 * The progress of a commit, for the reply to its client.
 *
 * @throws CairnError `session-state` where there is no commit any more
 */
export function commitReplyOf(live: LiveSession, job: BegunCommit): CommitReply {
  const { state, publisher } = live.record.value;
  const commit = commitOf(live);
  if (commit === undefined || (state !== 'committing' && state !== 'committed')) {
    throw new CairnError('session-state', `the session is ${state}, although its commit had begun`);
  }
  const { digest, entriesTotal, unpublished, unlisted, unkept, deleted } = commit;
  const toldDone = typeof job === 'object' ? job.entriesDone : publisher?.entriesDone;
  const entriesDone = state === 'committed' ? entriesTotal : (toldDone ?? 0);
  const isOver = state === 'committed';
  const left = isOver && unpublished !== undefined ? { unpublished: copied(unpublished), unlisted } : {};
  const lost = isOver && unkept !== undefined ? { unkept: [...unkept] } : {};
  const gone = isOver && deleted !== undefined ? { deleted: { ...deleted, kept: [...deleted.kept] } } : {};
  return { state, entriesDone, entriesTotal, digest, ...left, ...lost, ...gone };
}

function copied(unpublished: NonNullable<CommitRecord['unpublished']>): CommitReply['unpublished'] {
  return unpublished.map(({ code, entries }) => ({ code, entries: [...entries] }));
}
