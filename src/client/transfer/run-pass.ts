/**
 * One pass of a transfer, whichever way its bytes go: every chunk is moved, both sides agree on the whole, and the tree is
 * in its place. A direction adds who reads and who writes.
 */
import type { CairnError } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { CommitRequest, Plan } from '../../wire/messages.ts';
import { commitTransfer, type Asked, type Committed } from '../session/committing.ts';
import type { SessionClient } from '../session/session-client.ts';
import { aboutManifest, pathsOf, skippedBytes, type PassResult } from './pass-result.ts';
import type { TransferContext } from './transfer-context.ts';
import { nameOthers, type TransferProgress } from './transfer-progress.ts';

/** What a pass is about: both sides have agreed on it. */
export interface PassSubject {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly manifest: Manifest;
  readonly plan: Pick<Plan, 'have' | 'attributes'>;
  readonly layout: Layout;
  /** Knows already what earlier runs have brought. */
  readonly progress: TransferProgress;
}

/** What a direction adds to a pass. */
export interface PassSteps {
  /** Moves every chunk that is to be moved. Answers a commit that was asked for already, ahead or by an earlier run. */
  moveAll(): Promise<Asked | undefined>;
  /** What both sides are to agree on, as things stand. */
  claim(): CommitRequest | Promise<CommitRequest>;
  /** Does what a refused commit wants: moves missing chunks, leaves out entries. False where nothing can be done. */
  mend(refusal: CairnError): Promise<boolean>;
  /** Writes down what is durable of a pass that ends early. What it throws is a better reason than `error`. */
  leave(error: unknown): Promise<void>;
  /** Both sides agree: puts the tree in its place, or learns what the other side could not put there. */
  conclude(committed: Committed): Promise<Pick<PassResult, 'leftOut' | 'unlisted'>>;
}

/**
 * Carries out a pass.
 *
 * @throws CairnError network, session and storage codes, `digest-mismatch`, the signal's reason
 */
export async function runPass(subject: PassSubject, steps: PassSteps): Promise<PassResult> {
  const { context, manifest, plan, layout, progress } = subject;
  const [bytesTotal, bytesSkipped] = [layout.bytesTotal ?? 0, skippedBytes(manifest, plan)];
  const entries = manifest.entries.length;
  const { bytesResumed } = progress;
  const carried = layout.carrierCount;
  context.report({ type: 'planned', entries, carried, bytesTotal, bytesSkipped, bytesResumed });
  context.report({ type: 'phase', phase: 'transferring', entries });
  const committed = await moveAndCommit(subject, steps);
  const { leftOut, unlisted } = await steps.conclude(committed);
  const excluded = ChunkSet.fromRuns(committed.request.excluded, entries);
  nameOthers(context, manifest, plan, (index) => excluded.has(index));
  return {
    ...aboutManifest(manifest, plan),
    bytesTotal,
    bytesSkipped,
    bytesResumed: progress.bytesResumed,
    digest: committed.request.digest,
    excluded: pathsOf(manifest, excluded),
    leftOut,
    unlisted,
  };
}

async function moveAndCommit({ context, session }: PassSubject, steps: PassSteps): Promise<Committed> {
  try {
    const asked = await steps.moveAll();
    return await commitTransfer(context, session, {
      asked,
      request: () => steps.claim(),
      mend: (refusal) => steps.mend(refusal),
    });
  } catch (error) {
    await steps.leave(error);
    throw error;
  }
}
