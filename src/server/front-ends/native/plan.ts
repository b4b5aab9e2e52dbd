/** `PUT sessions/{id}/plan`: both sides agree on the entries that are not carried, and the session opens. */
import { Empty } from '../../../wire/messages.ts';
import type { Agree } from '../../core/sessions/agreeing.ts';
import { acceptanceOf } from '../../core/sessions/transfer-plan.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readRunsMessage } from '../../http/request-runs.ts';
import type { WithSession } from './session-request.ts';

/** Makes the handler that takes a plan and answers with the size of the layout that follows from it. */
export function createPlanHandler(withSession: WithSession, agree: Agree, maxRunsBytes: number): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'opened' }, async (work) => {
      const { length: entries } = (await work.live.content.manifest.get()).entries;
      const { sets } = await readRunsMessage(exchange, {
        schema: Empty,
        names: ['have', 'attributes'],
        entries,
        maxBytes: maxRunsBytes,
        what: 'the plan',
      });
      const agreed = await work.live.exclusive(() => agree(work, sets));
      await sendJson(exchange, 200, acceptanceOf(agreed));
    });
}
