/** `POST sync`, `heartbeat` and `suspend`, and `DELETE` of a session. */
import { CairnError } from '../../base/errors.ts';
import { Empty, type HeartbeatReply } from '../../protocol/messages.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendJson } from '../http/reply.ts';
import { readJson } from '../http/request-json.ts';
import type { ServerContext } from '../server-context.ts';
import { recordEnd } from '../sessions/ending.ts';
import { authorizedFor } from '../sessions/grant.ts';
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
  return withSession(context, exchange, { id, event: 'suspend' }, async ({ live, epoch }) => {
    await readNothing(context, exchange);
    const { state } = live.record.value;
    if (state === 'open' || state === 'establishing') {
      const error = new CairnError('session-suspended', 'the client suspended the session');
      await live.endRequests((request) => request.chunk !== undefined, error);
      if (state === 'open') await live.exclusive(() => live.content.sync());
      await live.record.change('suspend', { holder: null }, epoch);
      context.log.info({ session: id, epoch }, 'session suspended');
    }
    await sendJson(exchange, 200, {});
  });
}

/** Ends a session and frees everything that it holds. Its record stays a while, to tell who asks again. */
export function handleAbort(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'abort' }, async ({ live, epoch }) => {
    // In turn with commits: one that began a moment ago publishes, whatever is written down after it.
    await live.exclusive(async () => {
      if (live.job?.isRunning === true) {
        throw new CairnError('session-state', 'the session is being committed; it can no longer be aborted');
      }
      await recordEnd(context, live, 'abort', epoch);
    });
    context.log.info({ session: id, epoch }, 'session aborted');
    const error = new CairnError('session-aborted', 'the session was aborted');
    await live.endRequests((request) => request.chunk !== undefined, error);
    await live.exclusive(() => live.content.discard());
    await sendJson(exchange, 200, {});
  });
}

async function readNothing(context: ServerContext, exchange: Exchange): Promise<void> {
  await readJson(exchange, Empty, { maxBytes: context.limits.maxJsonBytes, what: 'the message' });
}
