/** `POST sync`, `heartbeat` and `suspend`, and `DELETE` of a session. */
import type { Logger } from '../../../base/logger.ts';
import { Empty, type HeartbeatReply } from '../../../wire/messages.ts';
import type { Ending } from '../../core/sessions/ending.ts';
import { authorizedFor } from '../../core/sessions/session-terms.ts';
import type { LiveSessions } from '../../core/sessions/live-sessions.ts';
import { suspendForClient } from '../../core/sessions/suspending.ts';
import { credentialOf } from '../../http/authorize.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';
import type { WithSession } from './session-request.ts';

/** What all these handlers need. */
export interface Controlled {
  readonly withSession: WithSession;
  readonly maxJsonBytes: number;
}

/** Makes the handler that makes all written chunks durable and reports the sync point. */
export function createSyncHandler({ withSession, maxJsonBytes }: Controlled): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'transfer' }, async ({ live }) => {
      await readNothing(exchange, maxJsonBytes);
      await sendJson(exchange, 200, await live.content.sync());
    });
}

/** Makes the handler of heartbeats, which renew the lease, as every request does, and do nothing else. */
export function createHeartbeatHandler(
  { withSession, maxJsonBytes }: Controlled,
  { leaseMs, wallNow }: { readonly leaseMs: number; readonly wallNow: () => number },
): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'prepare' }, async ({ live }) => {
      await readNothing(exchange, maxJsonBytes);
      const reply: HeartbeatReply = { leaseMs, ...authorizedFor(live.record.value, wallNow()) };
      await sendJson(exchange, 200, reply);
    });
}

/** Makes the handler that ends the chunk requests of a session, makes a sync point and suspends it. */
export function createSuspendHandler({ withSession, maxJsonBytes }: Controlled, log: Logger): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'suspend' }, async (work) => {
      await readNothing(exchange, maxJsonBytes);
      await suspendForClient(work, log);
      await sendJson(exchange, 200, {});
    });
}

/**
 * Makes the handler that ends a session and frees its staging. A request with the session's credential comes from its
 * client; `byToken` handles every other one.
 */
export function createAbortHandler(
  withSession: WithSession,
  { abort, live: sessions }: { readonly abort: Ending['abort']; readonly live: LiveSessions },
  byToken: IdHandler,
): IdHandler {
  return async (exchange, id) => {
    if (credentialOf(exchange) === undefined) return byToken(exchange, id);
    await withSession(exchange, { id, event: 'abort' }, async ({ live, epoch, cause, request }) => {
      await abort(live, { epoch, request, cause: { ...cause, why: 'owner' } });
      await sendJson(exchange, 200, {});
    });
    await sessions.forgetUnused(id);
  };
}

async function readNothing(exchange: Exchange, maxBytes: number): Promise<void> {
  await readJson(exchange, Empty, { maxBytes, what: 'the message' });
}
