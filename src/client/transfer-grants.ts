/** Transfer grants, as their issuer sees them. */
import { randomBytes } from 'node:crypto';
import type { ReachOptions } from './api/reach.ts';
import type * as v from 'valibot';
import { CairnError } from '../base/errors.ts';
import { Empty } from '../wire/messages.ts';
import { GrantList, GrantReply, type GrantInfo, type GrantRequest } from '../wire/grant-messages.ts';
import { ROUTE } from '../wire/routes.ts';
import { callJson, type Call, type Server } from './http/server-calls.ts';
import { inContext } from './transfer/transfer-context.ts';

/** The rights to grant for the URL, and for everything below it. */
export type GrantWish = Pick<GrantRequest, 'direction' | 'scope' | 'expiresInMs' | 'maxBytes'>;

/**
 * Asks the server for a grant. The `grant` in the answer is a secret.
 *
 * @throws CairnError `forbidden`, `quota-exceeded`, `unauthenticated`, network codes, the signal's reason;
 * `version-unsupported` where the server knows of no such scope
 */
export async function issueGrant(options: ReachOptions, wish: GrantWish): Promise<GrantReply> {
  const requestId = randomBytes(16).toString('base64url');
  const reply = await ask(options, GrantReply, 'the transfer grant', ({ target }) => ({
    method: 'POST',
    path: ROUTE.grants(),
    json: { ...wish, target, requestId } satisfies GrantRequest,
  }));
  if (wish.scope === undefined || reply.scopes?.includes(wish.scope) === true) return reply;
  // It does not know the word, and has granted more than was meant.
  await revokeGrant(options, reply.id);
  const message = `the server is too old for grants of the scope "${wish.scope}"; no grant was made`;
  throw new CairnError('version-unsupported', message);
}

/** Lists the grants that the owner of the access token has issued. @throws CairnError like {@link issueGrant} */
export async function listGrants(options: ReachOptions): Promise<readonly GrantInfo[]> {
  const what = 'the list of transfer grants';
  const { grants } = await ask(options, GrantList, what, () => ({ method: 'GET', path: ROUTE.grants() }));
  return grants;
}

/** Ends a grant. @throws CairnError `not-found`; like {@link issueGrant} */
export async function revokeGrant(options: ReachOptions, id: string): Promise<void> {
  await ask(options, Empty, 'the answer', () => ({
    method: 'DELETE',
    path: ROUTE.grant(encodeURIComponent(id)),
  }));
}

function ask<Schema extends v.GenericSchema>(
  options: ReachOptions,
  schema: Schema,
  what: string,
  requestTo: (server: Server) => Call,
): Promise<v.InferOutput<Schema>> {
  return inContext({ ...options, parallel: 1 }, ({ server, retrier, signal }) =>
    retrier.run(() =>
      server.access.run((headers) =>
        callJson(server, schema, what, { ...requestTo(server), headers, signal }),
      ),
    ),
  );
}
