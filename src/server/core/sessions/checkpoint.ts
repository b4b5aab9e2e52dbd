/** The checkpoint of a session, as far as the server is its receiver. */
import { bringsBytes } from '../../../session/pass-record.ts';
import type { CheckpointReply } from '../../../wire/messages.ts';
import type { LiveSession } from './live-session.ts';
import { encodePlan } from './transfer-plan.ts';

/**
 * The plan and, in a push, the durable chunks and the partial ones; a sync point is made for it.
 *
 * @throws CairnError a storage code; the session is then suspended
 */
export async function checkpointOf({ content, record }: LiveSession): Promise<CheckpointReply> {
  const plan = await content.currentPlan();
  const nothing = { runs: [], digests: '' };
  if (plan === undefined) return { plan: null, chunks: nothing, held: [] };
  if (!bringsBytes(record.value.pass)) return { plan: encodePlan(plan), chunks: nothing, held: [] };
  const { staging } = await content.incoming.get();
  const written = new Map(staging.partialChunks());
  // It becomes durable now, so that none of it is sent again; what comes meanwhile does not.
  await content.sync();
  const { runs, digests } = staging.digests.encode();
  const partialChunks: CheckpointReply['held'] = [];
  for (const [chunk, bytes] of staging.partialChunks()) {
    const durableBytes = Math.min(bytes, written.get(chunk) ?? 0);
    if (durableBytes > 0) partialChunks.push([chunk, durableBytes]);
  }
  return { plan: encodePlan(plan), chunks: { runs: [...runs], digests }, held: partialChunks };
}
