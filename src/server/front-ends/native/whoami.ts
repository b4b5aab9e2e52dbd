/** `GET whoami`: what the access token, grant or certificate of a request allows. */
import { printable } from '../../../base/safe-path.ts';
import { pushScopeOf } from '../../../session/scopes.ts';
import type { WhoAmI } from '../../../wire/admin-messages.ts';
import type { Access } from '../../http/authorize.ts';
import type { Handler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';

/** The facts that the answer adds to those of the token. */
export interface Told {
  /** Milliseconds since 1970 by the wall clock. */
  readonly wallNow: () => number;
  /** Free bytes of the place that has the least. */
  readonly freeBytes: () => Promise<number | undefined>;
}

/** Makes the handler that tells a client its principal, scopes, expiry and quota, and the free space for a push. */
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
