/** `GET whoami`: what a request's access token, or whatever else it shows, is good for. */
import { printable } from '../../../base/safe-path.ts';
import { pushScopeOf } from '../../../session/scopes.ts';
import type { WhoAmI } from '../../../wire/admin-messages.ts';
import type { Access } from '../../http/authorize.ts';
import type { Handler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';

/** What is told besides what the token says. */
export interface Told {
  /** Milliseconds since 1970 as the world counts them. */
  readonly wallNow: () => number;
  /** Bytes that are free where the least is. */
  readonly freeBytes: () => Promise<number | undefined>;
}

/** Makes what tells who asks, what they may do, until when, and whether there is room for what they would push. */
export function createWhoAmIHandler(
  { authenticate }: Pick<Access, 'authenticate'>,
  { wallNow, freeBytes }: Told,
): Handler {
  return async (exchange) => {
    const { id, principal, scopes, pathPrefix, expiresAtMs, quota } = await authenticate(exchange);
    const mayKnowRoom = pushScopeOf(scopes) !== undefined || scopes.includes('admin');
    const reply: WhoAmI = {
      id: printable(id),
      principal: printable(principal),
      scopes: [...scopes],
      path: printable(pathPrefix),
      expiresAtMs: expiresAtMs ?? null,
      quota: quota === undefined ? null : { bytes: quota.bytes ?? null, sessions: quota.sessions ?? null },
      nowMs: wallNow(),
      freeBytes: mayKnowRoom ? ((await freeBytes()) ?? null) : null,
    };
    await sendJson(exchange, 200, reply);
  };
}
