/** Runs the end of a session: publishes a push, or checks a pull. It goes on while clients come and go. */
import { CairnError, storageError, type ErrorCode } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { bringsBytes, type CommitRecord } from '../../../session/pass-record.ts';
import type { SessionChanges, SessionRecord } from '../../../session/record.ts';
import { chargedFor } from '../quota/quota.ts';
import type { UsageLedger } from '../quota/usage-ledger.ts';
import { isTerminal } from '../../../session/state.ts';
import type { CommitJob, LiveSession } from './live-session.ts';
import { passCommitOf, type ClaimedCommit, type CommitOrder } from './pass-commit.ts';
import type { Claim } from './publisher-claim.ts';
import type { Publishers } from './publishers.ts';
import type { SessionTimes } from './session-times.ts';
import type { ToldCuts } from './told-cuts.ts';

/** The parts that run the commits of one server. */
export interface CommitRunning {
  readonly ledger: Pick<UsageLedger, 'charge' | 'settle'>;
  readonly times: Pick<SessionTimes, 'now' | 'keepCommittedMs'>;
  readonly publishers: Pick<Publishers, 'claimOf'>;
  readonly toldCuts: Pick<ToldCuts, 'published' | 'failed'>;
  /** Called with each transfer that this server has published. */
  readonly onCommitted: () => void;
  readonly log: Logger;
}

/** After these errors the session is open again, since the client has to send something once more. */
const REOPENING: ReadonlySet<ErrorCode> = new Set([
  'chunks-missing',
  'chunk-incomplete',
  'digest-mismatch',
  'source-changed',
  'source-missing',
  'source-unreadable',
]);

/** Runs the commit in the session's record, which this node has claimed; a session has one at a time. */
export function startCommitJob(
  running: CommitRunning,
  live: LiveSession,
  { commit, isVerified }: CommitOrder,
): CommitJob {
  const { digest, entriesTotal } = commit;
  const job = { digest, entriesTotal, entriesDone: 0, isRunning: true, done: Promise.resolve() };
  job.done = run(running, live, job, {
    commit,
    isVerified,
    claim: running.publishers.claimOf(live.record),
  });
  job.done.catch(() => undefined); // every request for the commit gets the error, and the log
  live.job = job;
  return job;
}

async function run(
  { ledger, times, toldCuts, onCommitted, log }: CommitRunning,
  live: LiveSession,
  job: CommitJob,
  claimed: ClaimedCommit,
): Promise<void> {
  const { commit, claim } = claimed;
  const { record } = live;
  const fields = { session: live.id, digest: job.digest, entries: job.entriesTotal };
  const letGo = claim.keep(() => job.entriesDone);
  try {
    const outcome = await passCommitOf(live).carryOut(live, job, claimed);
    await charge(ledger, live, commit);
    const leaseExpiresAtMs = times.now() + times.keepCommittedMs;
    const { bytesTotal } = commit;
    const published = { ...commit, ...outcome };
    await record.change('published', (current) => ({
      ...claim.endWith(current),
      holder: null,
      leaseExpiresAtMs,
      pass: { commit: published, bytesTotal, bytesDone: bytesTotal },
    }));
    ledger.settle((session) => session === live.id);
    if (bringsBytes(record.value.pass)) await toldCuts.published(live);
    await free(live, log);
    job.entriesDone = job.entriesTotal;
    onCommitted();
    log.info({ ...fields, deleted: published.deleted?.entries }, 'session committed');
  } catch (error) {
    if (await claim.isLost()) {
      log.warn({ ...fields, err: error }, 'another node has taken over a commit');
      return;
    }
    log.warn({ ...fields, err: error }, 'commit failed');
    if (error instanceof CairnError) await toldCuts.failed(live, error);
    await noteEnd(live, claim, error);
    throw error;
  } finally {
    letGo();
    job.isRunning = false;
  }
}

/** Saves the error of a commit, and that its node no longer works on it. */
async function noteEnd(live: LiveSession, claim: Claim, error: unknown): Promise<void> {
  const { record } = live;
  if (error instanceof CairnError && REOPENING.has(error.code)) {
    if (!live.noteFailure(error) || record.value.state !== 'committing') return;
    const reopened = (current: SessionRecord): SessionChanges => ({
      ...claim.endWith(current, error),
      pass: { commit: null },
    });
    await record.change('incomplete', reopened, undefined, { why: error.code });
    return;
  }
  await noteCommitFailure(live, error);
  if (claim.confirm !== undefined) await record.change(undefined, (current) => claim.endWith(current, error));
}

/** Keeps the reason why a commit failed; in the history at most once in each epoch. */
export async function noteCommitFailure(live: LiveSession, error: unknown): Promise<void> {
  if (!live.noteFailure(error) || isTerminal(live.record.value.state)) return;
  const { code: why } = storageError(error, 'committing');
  await live.record.noteOnce('commit-failed', { why });
}

/** Before the record says committed: after a crash in between this runs again, and counts once. */
async function charge(
  ledger: CommitRunning['ledger'],
  { id, record }: LiveSession,
  { bytesTotal }: CommitRecord,
): Promise<void> {
  const { linkBytes = 0 } = record.value.pass;
  const charged = chargedFor(record.value);
  if (charged.length > 0) await ledger.charge(id, charged, bytesTotal + linkBytes);
}

/** Frees the staging, which is no longer needed. */
async function free(live: LiveSession, log: Logger): Promise<void> {
  try {
    await live.content.discard();
  } catch (error) {
    const fields = { session: live.id, err: error };
    log.warn(fields, 'freeing the staging of a committed session failed; the collector tries again');
  }
}
