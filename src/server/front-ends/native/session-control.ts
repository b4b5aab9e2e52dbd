/** `POST sync`, `heartbeat` and `suspend`, and `DELETE` of a session. */
import { CairnError } from '../../../base/errors.ts';
import { Empty, type HeartbeatReply } from '../../../wire/messages.ts';
import { credentialOf } from '../../http/authorize.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';
import type { ServerContext } from '../../server-context.ts';
import { abortSession } from '../../core/sessions/abort.ts';
import { authorizedFor } from '../../core/sessions/grant.ts';
import { lastingChanges } from '../../core/sessions/progress.ts';
import { handleAdministrativeAbort } from '../admin/administration.ts';
import { withSession } from './session-request.ts';

/** Makes everything durable that was written, and says so. */
export function handleSync(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'transfer' }, async ({ live }) => {
    await readNothing(context, exchange);
    await sendJson(exchange, 200, await live.content.sync());
  });
}

/** Keeps the lease, which every request does, and nothing else. */
export function handleHeartbeat(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'prepare' }, async ({ live }) => {
    await readNothing(context, exchange);
    const authorized = authorizedFor(live.record.value, context.wallNow());
    const reply: HeartbeatReply = { leaseMs: context.leaseMs, ...authorized };
    await sendJson(exchange, 200, reply);
  });
}

/** The client leaves in an orderly way: a sync point, and nothing of the session stays open. */
export function handleSuspend(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'suspend' }, async ({ live, epoch, cause }) => {
    await readNothing(context, exchange);
    const { state } = live.record.value;
    if (state === 'open' || state === 'establishing') {
      const error = new CairnError('session-suspended', 'the client suspended the session');
      await live.endRequests((request) => request.chunk !== undefined, error);
      if (state === 'open') await live.exclusive(() => live.content.sync());
      const changes = { ...(await lastingChanges(live)), holder: null };
      await live.record.change('suspend', changes, epoch, { ...cause, why: 'client' });
      context.log.info({ session: id, epoch }, 'session suspended');
    }
    await sendJson(exchange, 200, {});
  });
}

/**
 * Ends a session and frees everything that it holds. With its credential that is its client, otherwise whoever may do so
 * by an access token.
 */
export async function handleAbort(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  if (credentialOf(exchange) === undefined) return handleAdministrativeAbort(context, exchange, id);
  await withSession(context, exchange, { id, event: 'abort' }, async ({ live, epoch, cause, request }) => {
    await abortSession(context, live, { epoch, request, cause: { ...cause, why: 'owner' } });
    await sendJson(exchange, 200, {});
  });
  await context.live.forgetUnused(id);
}

async function readNothing(context: ServerContext, exchange: Exchange): Promise<void> {
  await readJson(exchange, Empty, { maxBytes: context.limits.maxJsonBytes, what: 'the message' });
}
