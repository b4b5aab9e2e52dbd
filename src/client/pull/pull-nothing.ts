/** The end of a pull that has nothing to fetch and nothing to set. */
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { DIGEST_LENGTH_BYTES } from '../../manifest/digest.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { makeClaim } from '../../transfer/claim.ts';
import type { Plan } from '../../wire/messages.ts';
import { commitTransfer } from '../session/committing.ts';
import { layoutOf } from '../session/plan-layout.ts';
import type { SessionClient } from '../session/session-client.ts';
import { emptyResult, type PassResult } from '../transfer/pass-result.ts';
import type { TransferTask } from '../transfer/transfer-task.ts';
import type { PullPlan } from './pull-selection.ts';
import { discardStaged, freeStaging, type PullDestination } from './pull-staging.ts';

/** Whether a plan has neither bytes nor attributes to bring. */
export function isNothingToDo(manifest: Manifest, plan: Plan): boolean {
  return (
    ChunkSet.fromRuns(plan.have, manifest.entries.length).size === manifest.entries.length &&
    plan.attributes.length === 0
  );
}

/**
 * Agrees with the server on the digest of nothing; no staging is made for it.
 *
 * @throws CairnError network and session codes, `digest-mismatch`
 */
export async function agreeOnNothing(
  { context, folder }: TransferTask,
  {
    session,
    manifest,
    destination,
    plan,
  }: {
    readonly session: SessionClient;
    readonly manifest: Manifest;
    readonly destination: PullDestination;
    readonly plan: PullPlan;
  },
): Promise<PassResult> {
  const digests = new ChunkDigests(DIGEST_LENGTH_BYTES[manifest.digest]);
  const layout = layoutOf(manifest, plan);
  const request = makeClaim(manifest, layout, digests, new ChunkSet());
  await commitTransfer(context, session, {
    request: () => request,
    mend: async () => false,
  });
  // With a record there was an earlier run, which may have been killed when it had put everything in its place.
  await (folder.record === undefined ? discardStaged(destination) : freeStaging(destination));
  await folder.clear();
  return emptyResult(manifest, plan, request.digest);
}
