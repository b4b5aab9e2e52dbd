/** `GET sessions`, `GET sessions/{id}` and `DELETE sessions/{id}` without a session's credential. */
import * as v from 'valibot';
import { CairnError } from '../../../base/errors.ts';
import { SESSION_STATES } from '../../../session/session-states.ts';
import { parseMessage } from '../../../wire/parse-message.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { isWithin, type Authorization } from '../../../session/authorization.ts';
import { authenticate, authenticateAnswer } from '../../http/authorize.ts';
import type { Exchange } from '../../http/exchange.ts';
import { end, NDJSON_TYPE, sendJson, write } from '../../http/reply.ts';
import type { ServerContext } from '../../server-context.ts';
import { abortSession } from '../../core/sessions/abort.ts';
import { checkAllowsSession } from '../../core/sessions/renewal.ts';
import { detailsOf, summaryOf } from '../../core/sessions/summary.ts';

/** Lines that go out together. */
const LINES_PER_WRITE = 64;

const ListQuery = v.object({
  state: v.optional(v.picklist(SESSION_STATES)),
  owner: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1000))),
});

/** Answers with a line for each session that the caller may see, then with one that counts them. */
export async function handleListSessions(context: ServerContext, exchange: Exchange): Promise<void> {
  const authorization = await authenticateAnswer(context, exchange);
  const query = queryOf(exchange);
  const { response } = exchange;
  response.writeHead(200, { 'Content-Type': NDJSON_TYPE });
  let count = 0;
  let lines: string[] = [];
  for await (const record of context.sessions.list()) {
    if (!maySee(authorization, record) || !fits(record, query)) continue;
    lines.push(`${JSON.stringify(await summaryOf(context, record))}\n`);
    count += 1;
    if (lines.length < LINES_PER_WRITE) continue;
    await write(exchange, lines.join(''));
    lines = [];
  }
  lines.push(`${JSON.stringify({ end: count })}\n`);
  await end(exchange, Buffer.from(lines.join('')));
}

/** Answers with everything about one session. */
export async function handleShowSession(
  context: ServerContext,
  exchange: Exchange,
  id: string,
): Promise<void> {
  const authorization = await authenticate(context, exchange);
  const record = await context.sessions.get(id);
  if (record === undefined || !maySee(authorization, record)) throw noSession();
  await sendJson(exchange, 200, await detailsOf(context, record));
}

/** Ends a session in the name of an access token: any with the scope `admin`, else one of the same principal. */
export async function handleAdministrativeAbort(
  context: ServerContext,
  exchange: Exchange,
  id: string,
): Promise<void> {
  const authorization = await authenticate(context, exchange);
  const { id: by, scopes } = authorization;
  // Asked of the store alone first: whoever may not see it must not have it loaded either.
  const kept = await context.sessions.get(id);
  if (kept === undefined || !maySee(authorization, kept)) throw noSession();
  const isOwn = kept.principal === authorization.principal;
  if (!scopes.includes('admin')) checkAllowsSession(authorization, kept);
  await context.live.use(id, async (live) => {
    const why = isOwn ? 'owner' : 'administrator';
    await abortSession(context, live, { cause: { by, from: exchange.address, why } });
  });
  await context.live.forgetUnused(id);
  await sendJson(exchange, 200, {});
}

/** Whether a session exists for the caller: within the path of the token, and one's own unless it is an administrator's. */
function maySee({ principal, scopes, pathPrefix }: Authorization, record: SessionRecord): boolean {
  if (!isWithin(record.target, pathPrefix)) return false;
  return scopes.includes('admin') || record.principal === principal;
}

function fits({ state, principal }: SessionRecord, wanted: v.InferOutput<typeof ListQuery>): boolean {
  if (wanted.state !== undefined && wanted.state !== state) return false;
  return wanted.owner === undefined || wanted.owner === principal;
}

function queryOf({ query }: Exchange): v.InferOutput<typeof ListQuery> {
  return parseMessage(ListQuery, Object.fromEntries(new URLSearchParams(query)), 'the query');
}

function noSession(): CairnError {
  return new CairnError('session-not-found', 'there is no such session');
}
