/** `GET sessions/{id}/checkpoint`: the plan and, in a push, the chunks that the server has. */
import { checkpointOf } from '../../core/sessions/checkpoint.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import type { WithSession } from './session-request.ts';

/** Makes the handler that answers with the plan and, in a push, with the durable chunks and the partial ones. */
export function createCheckpointHandler(withSession: WithSession): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'prepare' }, async ({ live }) => {
      await sendJson(exchange, 200, await checkpointOf(live));
    });
}
