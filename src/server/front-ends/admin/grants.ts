/** `POST` and `GET grants`, and `DELETE grants/{id}`. */
import { CairnError } from '../../../base/errors.ts';
import { printable, targetPathOf, urlPathOf } from '../../../base/safe-path.ts';
import { GrantRequest, type GrantInfo, type GrantReply } from '../../../wire/grant-messages.ts';
import type { IssuedGrant } from '../../access/grant-list.ts';
import type { Grants } from '../../access/grants.ts';
import { authenticate } from '../../http/authorize.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';
import type { ServerContext } from '../../server-context.ts';

/** Issues a grant of what the asking token allows itself. */
export async function handleIssueGrant(context: ServerContext, exchange: Exchange): Promise<void> {
  const asking = await authenticate(context, exchange);
  const grants = grantsOf(context);
  const limit = { maxBytes: context.limits.maxJsonBytes, what: 'the request for a grant' };
  const { target, direction, scope, expiresInMs, maxBytes, requestId } = await readJson(
    exchange,
    GrantRequest,
    limit,
  );
  const path = targetPathOf(target);
  const wish = { direction, path, scope, expiresInMs, maxBytes, requestId };
  const { issued, grant } = await grants.issue(asking, wish);
  const fields = {
    grant: issued.id,
    by: asking.id,
    from: exchange.address,
    direction,
    target: printable(path),
  };
  context.log.info({ ...fields, expiresAtMs: issued.expiresAtMs }, 'transfer grant issued');
  const reply: GrantReply = { ...infoOf(grants, issued), grant };
  await sendJson(exchange, 201, reply);
}

/** Lists the grants of the asking token's owner, without what makes them one. */
export async function handleListGrants(context: ServerContext, exchange: Exchange): Promise<void> {
  const asking = await authenticate(context, exchange);
  const grants = grantsOf(context);
  const infos = grants.list(asking).map((grant) => infoOf(grants, grant));
  await sendJson(exchange, 200, { grants: infos.toSorted((a, b) => a.createdAtMs - b.createdAtMs) });
}

/** Ends a grant, and within two seconds what runs with it. */
export async function handleRevokeGrant(
  context: ServerContext,
  exchange: Exchange,
  id: string,
): Promise<void> {
  const asking = await authenticate(context, exchange);
  await grantsOf(context).revoke(asking, id);
  context.log.info({ grant: id, by: asking.id, from: exchange.address }, 'transfer grant revoked');
  await sendJson(exchange, 200, {});
}

function grantsOf({ grants }: ServerContext): Grants {
  if (grants !== undefined) return grants;
  throw new CairnError('forbidden', 'this server issues no transfer grants');
}

function infoOf(grants: Grants, grant: IssuedGrant): GrantInfo {
  const { id, direction, path, scopes, createdAtMs, expiresAtMs, maxBytes = null } = grant;
  const state = grants.stateOf(grant);
  return { id, direction, target: urlPathOf(path), scopes, state, createdAtMs, expiresAtMs, maxBytes };
}
