/** `POST` and `GET grants`, and `DELETE grants/{id}`. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { printable, targetPathOf, urlPathOf } from '../../../base/safe-path.ts';
import { GrantRequest, type GrantInfo, type GrantReply } from '../../../wire/grant-messages.ts';
import type { IssuedGrant } from '../../access/grant-list.ts';
import type { Grants } from '../../access/grants.ts';
import type { Access } from '../../http/authorize.ts';
import type { Handler, IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';

/** What the handlers of grants need. */
export interface Granting {
  /** Undefined where this server issues none. */
  readonly grants: Grants | undefined;
  /** Longest request, in bytes. */
  readonly maxJsonBytes: number;
  readonly log: Logger;
}

/** Makes the handlers that issue, list and revoke grants. */
export function createGrantHandlers(
  { authenticate }: Pick<Access, 'authenticate'>,
  { grants: own, maxJsonBytes, log }: Granting,
): { readonly issue: Handler; readonly list: Handler; readonly revoke: IdHandler } {
  const limit = { maxBytes: maxJsonBytes, what: 'the request for a grant' };
  // A grant allows no more than the token that asks for it.
  const issue: Handler = async (exchange) => {
    const asking = await authenticate(exchange);
    const grants = present(own);
    const request = await readJson(exchange, GrantRequest, limit);
    const { target, direction, scope, expiresInMs, maxBytes, requestId } = request;
    const path = targetPathOf(target);
    const wish = { direction, path, scope, expiresInMs, maxBytes, requestId };
    const { issued, grant } = await grants.issue(asking, wish);
    const { id, expiresAtMs } = issued;
    const fields = { grant: id, by: asking.id, from: exchange.address, direction, target: printable(path) };
    log.info({ ...fields, expiresAtMs }, 'transfer grant issued');
    const reply: GrantReply = { ...infoOf(grants, issued), grant };
    await sendJson(exchange, 201, reply);
  };
  // Lists the grants of the asking token's principal, without their secrets.
  const list: Handler = async (exchange) => {
    const asking = await authenticate(exchange);
    const grants = present(own);
    const infos = grants.list(asking).map((grant) => infoOf(grants, grant));
    await sendJson(exchange, 200, { grants: infos.toSorted((a, b) => a.createdAtMs - b.createdAtMs) });
  };
  // Revokes a grant; its transfers stop within two seconds.
  const revoke: IdHandler = async (exchange, id) => {
    const asking = await authenticate(exchange);
    await present(own).revoke(asking, id);
    log.info({ grant: id, by: asking.id, from: exchange.address }, 'transfer grant revoked');
    await sendJson(exchange, 200, {});
  };
  return { issue, list, revoke };
}

function present(grants: Grants | undefined): Grants {
  if (grants !== undefined) return grants;
  throw new CairnError('forbidden', 'this server issues no transfer grants');
}

function infoOf(grants: Grants, grant: IssuedGrant): GrantInfo {
  const { id, direction, path, scopes, createdAtMs, expiresAtMs, maxBytes = null } = grant;
  const state = grants.stateOf(grant);
  return { id, direction, target: urlPathOf(path), scopes, state, createdAtMs, expiresAtMs, maxBytes };
}
