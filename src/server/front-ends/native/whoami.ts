/** `GET whoami`: what the access token, grant or certificate of a request allows. */
import { createHmac } from 'node:crypto';
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
  /** Names the store, see `storeName`. */
  readonly store: string;
  readonly node: { readonly id: string; count(): number } | undefined;
}

/** A short name of a store, which all servers have that share the secret key of its session ids, and nobody else. */
export function storeName(sessionKey: Uint8Array): string {
  return createHmac('sha256', sessionKey).update('the name of the store').digest('base64url').slice(0, 8);
}

/** Makes the handler that tells a client its principal, scopes, expiry and quota, and the free space for a push. */
export function createWhoAmIHandler(
  { authenticate }: Pick<Access, 'authenticate'>,
  { wallNow, freeBytes, store, node }: Told,
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
      store,
      ...(node === undefined ? {} : { node: node.id, nodes: node.count() }),
    };
    await sendJson(exchange, 200, reply);
  };
}
