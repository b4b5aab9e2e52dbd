/** `PUT sessions/{id}/plan`: both sides agree on what is carried, and the session opens. */
import { CairnError } from '../../base/errors.ts';
import { Plan } from '../../protocol/messages.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendJson } from '../http/reply.ts';
import { readJson } from '../http/request-json.ts';
import type { ServerContext } from '../server-context.ts';
import { checkBytes, openUsage } from '../quota/quota.ts';
import { savePlan } from '../sessions/session-documents.ts';
import { withSession, type SessionWork } from './session-request.ts';
import {
  acceptanceOf,
  createPlan,
  encodePlan,
  samePlan,
  type TransferPlan,
} from '../sessions/transfer-plan.ts';

/** Takes a plan and answers with the size of the layout that follows from it. */
export function handlePlan(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'opened' }, async (work) => {
    const plan = await readJson(exchange, Plan, {
      maxBytes: context.limits.maxRunsBytes,
      name: 'runs' as const,
      what: 'the plan',
    });
    const agreed = await work.live.exclusive(() => agree(context, work, plan));
    await sendJson(exchange, 200, acceptanceOf(agreed));
  });
}

async function agree(
  { room, usage }: ServerContext,
  { live, epoch, cause }: SessionWork,
  wanted: Plan,
): Promise<TransferPlan> {
  const { content, record } = live;
  const plan = createPlan(await content.manifest.get(), wanted);
  const before = await content.currentPlan();
  if (before !== undefined) {
    if (samePlan(before, plan)) return before;
    throw new CairnError(
      'session-state',
      'another plan was agreed for this session; start a new one for this',
    );
  }
  const { id, direction, authorization } = record.value;
  const { bytesTotal } = plan.layout;
  await openUsage(usage);
  try {
    // First, since it asks the disk: between the check of the quota and the record nothing may come.
    if (direction === 'push') await room.take(id, bytesTotal ?? 0);
    record.checkEpoch(epoch);
    if (direction === 'push' && authorization !== undefined)
      checkBytes(usage, authorization, id, bytesTotal ?? 0);
    await savePlan(await content.area.get(), encodePlan(plan));
    content.plan.set(plan);
    // Opened before the session is: what this store cannot stage is refused here.
    if (direction === 'push') await content.incoming.get();
    await record.change('opened', { bytesTotal, bytesDone: 0 }, epoch, cause);
  } catch (error) {
    usage.tally.release(id);
    room.release(id);
    content.plan.forget();
    await content.closeChunks({ sync: false });
    throw error;
  }
  return plan;
}
