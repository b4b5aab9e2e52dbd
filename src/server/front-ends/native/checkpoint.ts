/** `GET sessions/{id}/checkpoint`: what the receiver has, as far as it is the server. */
import type { CheckpointReply } from '../../../wire/messages.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { LiveSession } from '../../core/sessions/live-session.ts';
import { sendJson } from '../../http/reply.ts';
import type { ServerContext } from '../../server-context.ts';
import { withSession } from './session-request.ts';
import { encodePlan } from '../../core/sessions/transfer-plan.ts';

/** Answers with the plan and, in a push, with what is durable and what is held. */
export function handleCheckpoint(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'prepare' }, async ({ live }) => {
    await sendJson(exchange, 200, await checkpointOf(live));
  });
}

async function checkpointOf({ content, record }: LiveSession): Promise<CheckpointReply> {
  const plan = await content.currentPlan();
  const nothing = { runs: [], digests: '' };
  if (plan === undefined) return { plan: null, chunks: nothing, held: [] };
  if (record.value.direction === 'pull') return { plan: encodePlan(plan), chunks: nothing, held: [] };
  const { staging } = await content.incoming.get();
  const written = new Map(staging.held());
  // It becomes durable now, so that none of it is sent again; what comes meanwhile does not.
  await content.sync();
  const { runs, digests } = staging.digests.encode();
  const held: CheckpointReply['held'] = [];
  for (const [chunk, bytes] of staging.held()) {
    const durableBytes = Math.min(bytes, written.get(chunk) ?? 0);
    if (durableBytes > 0) held.push([chunk, durableBytes]);
  }
  return { plan: encodePlan(plan), chunks: { runs: [...runs], digests }, held };
}
