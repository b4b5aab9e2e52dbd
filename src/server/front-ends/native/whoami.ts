/** `GET whoami`: what a request's access token, or whatever else it shows, is good for. */
import { printable } from '../../../base/safe-path.ts';
import type { WhoAmI } from '../../../wire/administration.ts';
import { pushScopeOf } from '../../../session/scopes.ts';
import { authenticate } from '../../http/authorize.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/reply.ts';
import type { ServerContext } from '../../server-context.ts';

/** Tells who asks, what they may do, until when, and whether there is room for what they would push. */
export async function handleWhoAmI(context: ServerContext, exchange: Exchange): Promise<void> {
  const { id, principal, scopes, pathPrefix, expiresAtMs, quota } = await authenticate(context, exchange);
  const mayKnowRoom = pushScopeOf(scopes) !== undefined || scopes.includes('admin');
  const reply: WhoAmI = {
    id: printable(id),
    principal: printable(principal),
    scopes: [...scopes],
    path: printable(pathPrefix),
    expiresAtMs: expiresAtMs ?? null,
    quota: quota === undefined ? null : { bytes: quota.bytes ?? null, sessions: quota.sessions ?? null },
    nowMs: context.wallNow(),
    freeBytes: mayKnowRoom ? ((await context.readiness.freeBytes()) ?? null) : null,
  };
  await sendJson(exchange, 200, reply);
}
