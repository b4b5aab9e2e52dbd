/** `PUT sessions/{id}/plan`: both sides agree on what is carried, and the session opens. */
import { Empty } from '../../../wire/messages.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/reply.ts';
import { readRunsMessage } from '../../http/request-runs.ts';
import type { ServerContext } from '../../server-context.ts';
import { acceptanceOf } from '../../core/sessions/transfer-plan.ts';
import { agree } from './agreeing.ts';
import { withSession } from './session-request.ts';

/** Takes a plan and answers with the size of the layout that follows from it. */
export function handlePlan(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'opened' }, async (work) => {
    const { length: entries } = (await work.live.content.manifest.get()).entries;
    const { sets } = await readRunsMessage(exchange, {
      schema: Empty,
      names: ['have', 'attributes'],
      entries,
      maxBytes: context.limits.maxRunsBytes,
      what: 'the plan',
    });
    const agreed = await work.live.exclusive(() => agree(context, work, sets));
    await sendJson(exchange, 200, acceptanceOf(agreed));
  });
}
