/**
 * One pass of a transfer, whichever way its bytes go: every chunk is moved, both sides agree on the whole, and the tree is
 * in its place. A direction adds who reads and who writes.
 */
import type { CairnError } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { CommitRequest, SessionTerms } from '../../wire/messages.ts';
import { makeClaim } from '../../transfer/claim.ts';
import { commitTransfer, type Asked, type Committed } from '../session/committing.ts';
import { suspend, type SessionAccess } from '../session/session-calls.ts';
import { FAREWELL_MS, type EpochHooks } from '../session/session-client.ts';
import type { Pass } from './pass.ts';
import { aboutManifest, pathsOf, reusedBytes, skippedBytes, type PassResult } from './pass-result.ts';
import { nameOthers } from './transfer-progress.ts';

/** What a direction adds to a pass. */
export interface PassSteps {
  /** Refuses a new epoch that the pass cannot go on in, by throwing. */
  checkTerms?(terms: SessionTerms): void;
  /** Takes in what the receiver has in a new epoch; without it the server is not asked. */
  readonly onCheckpoint?: EpochHooks['onCheckpoint'];
  /** Moves every chunk that is to be moved. Answers a commit that was asked for already, ahead or by an earlier run. */
  moveAll(): Promise<Asked | undefined>;
  /** Keeps what both sides are about to agree on, and adds what the user asked for. */
  keepClaim?(claim: CommitRequest): Promise<CommitRequest>;
  /** Does what a refused commit wants: moves missing chunks, leaves out entries. False where nothing can be done. */
  mend(refusal: CairnError): Promise<boolean>;
  /** Writes down the durable chunks of a pass that ends early, by a signal or a failure. */
  save(isInterrupted: boolean): Promise<void>;
  /** Both sides agree: puts the tree in its place, or learns what the other side could not put there. */
  conclude(committed: Committed): Promise<Pick<PassResult, 'leftOut' | 'unlisted' | 'unkept' | 'deleted'>>;
}

/**
 * Carries out a pass; its progress knows already what earlier runs have brought.
 *
 * @throws CairnError network, session and storage codes, `digest-mismatch`, the signal's reason
 */
export async function runPass(pass: Pass, steps: PassSteps): Promise<PassResult> {
  const { session, folder } = pass;
  const onTerms = async (terms: SessionTerms): Promise<void> => {
    steps.checkTerms?.(terms);
    await folder.update({ session: terms });
  };
  session.setHooks({ onTerms, onCheckpoint: steps.onCheckpoint });
  try {
    return await carryOut(pass, steps);
  } finally {
    // The session's timers live as long as the run; they would keep all entries of the pass.
    session.setHooks({});
  }
}

async function carryOut(pass: Pass, steps: PassSteps): Promise<PassResult> {
  const { context, manifest, plan, layout, progress } = pass;
  const [bytesTotal, bytesSkipped] = [layout.bytesTotal ?? 0, skippedBytes(manifest, plan)];
  const { entries } = aboutManifest(manifest, plan);
  const { bytesResumed } = progress;
  const carried = layout.carrierCount;
  context.report({ type: 'planned', entries, carried, bytesTotal, bytesSkipped, bytesResumed });
  context.report({ type: 'phase', phase: 'transferring', entries });
  const committed = await moveAndCommit(pass, steps);
  const { leftOut, unlisted, unkept = 0, deleted } = await steps.conclude(committed);
  const excluded = ChunkSet.fromRuns(committed.request.excluded, manifest.entries.length);
  nameOthers(context, manifest, plan, (index) => excluded.has(index));
  return {
    ...aboutManifest(manifest, plan),
    bytesTotal,
    bytesSkipped,
    bytesReused: reusedBytes(plan),
    bytesResumed: progress.bytesResumed,
    digest: committed.request.digest,
    excluded: pathsOf(manifest, excluded),
    leftOut,
    unlisted,
    unkept,
    deleted,
  };
}

async function moveAndCommit(pass: Pass, steps: PassSteps): Promise<Committed> {
  const { context, session } = pass;
  try {
    const asked = await steps.moveAll();
    return await commitTransfer(context, session, {
      asked,
      request: () => claimOf(pass, steps),
      mend: (refusal) => steps.mend(refusal),
    });
  } catch (error) {
    await leave(pass, steps);
    throw error;
  }
}

/** What both sides are to agree on, as things stand, kept. */
export async function claimOf(
  { manifest, layout, board, excluded }: Pass,
  { keepClaim }: Pick<PassSteps, 'keepClaim'>,
): Promise<CommitRequest> {
  const claim = makeClaim(manifest, layout, board.digests, excluded);
  return keepClaim === undefined ? claim : keepClaim(claim);
}

/** A run that ends early makes durable what came; after a signal it also says goodbye to the server. */
async function leave(pass: Pass, steps: PassSteps): Promise<void> {
  const isInterrupted = pass.context.signal.aborted;
  try {
    await steps.save(isInterrupted);
    // Until when it was worked on.
    await pass.folder.update({});
    if (isInterrupted) await suspend(farewell(pass));
  } catch {
    // The reason why the run ends is thrown by the caller, and matters more.
  }
}

/** The session for the short time that a run which was interrupted still waits for the server. */
export function farewell({
  context: { server },
  session: { terms },
}: Pick<Pass, 'context' | 'session'>): SessionAccess {
  return { server, terms, signal: AbortSignal.timeout(FAREWELL_MS) };
}
