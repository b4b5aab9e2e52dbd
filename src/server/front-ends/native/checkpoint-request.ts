/** `GET sessions/{id}/checkpoint`: what the receiver has, as far as it is the server. */
import { checkpointOf } from '../../core/sessions/checkpoint.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import type { WithSession } from './session-request.ts';

/** Makes what answers with the plan and, in a push, with what is durable and what is held. */
export function createCheckpointHandler(withSession: WithSession): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'prepare' }, async ({ live }) => {
      await sendJson(exchange, 200, await checkpointOf(live));
    });
}
