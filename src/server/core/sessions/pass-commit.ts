/** The part of a commit that depends on the direction of its pass: a push is published, a pull is checked. */
import { storageError } from '../../../base/errors.ts';
import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import { isStream } from '../../../manifest/layout.ts';
import type { CommitRecord, PassRecord } from '../../../session/pass-record.ts';
import { existingOf, mayCompare } from '../../../session/scopes.ts';
import { destinationExists } from '../../../transfer/destination-exists.ts';
import { createRemovalReport, NOTHING_DELETED } from '../../../transfer/removal-report.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import type { UnkeptKind } from '../../../transfer/unkept-metadata.ts';
import { verifyPull, verifyPush } from './commit-check.ts';
import type { CommitJob, LiveSession } from './live-session.ts';
import type { Claim } from './publisher-claim.ts';
import { UnpublishedEntries, type LeftOut } from './unpublished.ts';

/** The commit to run. */
export interface CommitOrder {
  readonly commit: CommitRecord;
  /** Whether the commit has just been compared with the chunks that this node knows. */
  readonly isVerified: boolean;
}

/** A commit with the claim of the node that carries it out. */
export interface ClaimedCommit extends CommitOrder {
  readonly claim: Claim;
}

/** The results of a commit that its record keeps. */
type CommitOutcome = LeftOut & Pick<CommitRecord, 'deleted'>;

/** The steps of a commit that a direction adds. */
export interface PassCommit {
  /**
   * Checks the claim before the record keeps it.
   *
   * @throws CairnError `chunks-missing`, `digest-mismatch`, `invalid-request`
   */
  check(live: LiveSession, commit: CommitRecord): Promise<void>;
  /**
   * Does what the record says, and answers the entries that it left out and deleted.
   *
   * @throws CairnError what the store and the check throw
   */
  carryOut(live: LiveSession, job: CommitJob, claimed: ClaimedCommit): Promise<CommitOutcome>;
}

const PASS_COMMITS: Readonly<Record<PassRecord['direction'], PassCommit>> = {
  push: { check: verifyPush, carryOut: publish },
  pull: {
    // To read and hash its source again may take long: that is part of the job.
    check: async () => {},
    carryOut: async (live, _job, { commit }) => {
      await verifyPull(live, commit);
      return {};
    },
  },
};

const LIST_LOST = { ...NOTHING_DELETED, isSkipped: true };

/** The steps of a commit of a session's pass. */
export function passCommitOf({ record }: LiveSession): PassCommit {
  return PASS_COMMITS[record.value.pass.direction];
}

async function publish(
  live: LiveSession,
  job: CommitJob,
  { commit, isVerified, claim: { confirm } }: ClaimedCommit,
): Promise<CommitOutcome> {
  const { content, record } = live;
  if (confirm !== undefined && !isVerified) await takeOver(live, commit);
  const { scopes = [] } = record.value.authorization ?? {};
  const existing = existingOf(scopes);
  const tellable = mayCompare(scopes) ? (error: unknown): unknown => error : withoutReason;
  const { manifest, have, attributes } = await content.agreedPlan();
  const incoming = await content.incoming.get();
  const excluded = ChunkSet.fromRuns(commit.excluded, manifest.entries.length);
  const unpublished = new UnpublishedEntries();
  let unkept: readonly UnkeptKind[] = [];
  const { deletions } = commit;
  const list = deletions === undefined ? undefined : await content.deletionsOf(deletions);
  const report = list === undefined ? undefined : createRemovalReport(list);
  try {
    await incoming.staging.publish({
      isPresent: (index) => have.has(index),
      needsAttributes: (index) => attributes.has(index),
      isExcluded: (index) => excluded.has(index),
      streamSizeBytes: isStream(manifest) ? commit.bytesTotal : undefined,
      confirm,
      onProgress: (entriesDone) => {
        job.entriesDone = entriesDone;
      },
      existing,
      forceReplace: commit.forceReplace === true && existing === 'replaced',
      onUnkept: (kinds) => (unkept = kinds),
      onRefused:
        commit.leaveOut === true
          ? (index, error) => unpublished.add(index, storageError(tellable(error), 'publishing').code)
          : undefined,
      removal: report?.removal,
      backup: commit.backup,
    });
    const deleted = report?.result() ?? (deletions === undefined ? undefined : LIST_LOST);
    return {
      ...unpublished.leftOut(),
      ...(unkept.length === 0 ? {} : { unkept: [...unkept] }),
      ...(deleted === undefined ? {} : { deleted }),
    };
  } catch (error) {
    // The client sends again what the store has lost.
    incoming.forgetLost();
    throw tellable(error);
  }
}

/**
 * Goes on with what another node began. That node compared the chunks; those that came since by way of a third one do not
 * count, unless it has published already.
 */
async function takeOver(live: LiveSession, commit: CommitRecord): Promise<void> {
  const { staging } = await live.content.incoming.get();
  // From here on that node publishes nothing, so that an error is final.
  if ((await staging.isPublished?.()) !== true) await verifyPush(live, commit);
}

/**
 * The reason why an entry cannot be put in its place describes what is there, which not every client that pushes may
 * know.
 */
function withoutReason(error: unknown): unknown {
  if (!isOfOneEntry(error)) return error;
  const { path } = error.details;
  return destinationExists(typeof path === 'string' ? path : '', error);
}
