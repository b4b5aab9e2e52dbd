/** `GET sessions`, `GET sessions/{id}` and `DELETE sessions/{id}` without a session's credential. */
import * as v from 'valibot';
import { CairnError } from '../../../base/errors.ts';
import { SESSION_STATES } from '../../../session/session-states.ts';
import { parseMessage } from '../../../wire/parse-message.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { isWithin, type Authorization } from '../../../session/authorization.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { Ending } from '../../core/sessions/ending.ts';
import type { LiveSessions } from '../../core/sessions/live-sessions.ts';
import type { Access } from '../../http/authorize.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { Handler, IdHandler } from '../../http/handler.ts';
import { end, NDJSON_TYPE, sendJson, write } from '../../http/reply.ts';
import { checkAllowsSession } from '../../core/sessions/renewal.ts';
import { detailsOf, summaryOf, type Shown } from '../../core/sessions/summary.ts';

/** Lines in one write. */
const LINES_PER_WRITE = 64;

const ListQuery = v.object({
  state: v.optional(v.picklist(SESSION_STATES)),
  owner: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1000))),
});

/** The records and live sessions that the handlers show. */
export interface Administered extends Shown {
  readonly sessions: Pick<SessionStore, 'get' | 'list'>;
  readonly live: LiveSessions;
}

/** Makes the handler that answers with a line for each session that the caller may see, then with their number. */
export function createListSessionsHandler(
  { authenticateAnswer }: Pick<Access, 'authenticateAnswer'>,
  administered: Administered,
): Handler {
  return async (exchange) => {
    const authorization = await authenticateAnswer(exchange);
    const query = queryOf(exchange);
    const { response } = exchange;
    response.writeHead(200, { 'Content-Type': NDJSON_TYPE });
    let count = 0;
    let lines: string[] = [];
    for await (const record of administered.sessions.list()) {
      if (!maySee(authorization, record) || !fits(record, query)) continue;
      lines.push(`${JSON.stringify(await summaryOf(administered, record))}\n`);
      count += 1;
      if (lines.length < LINES_PER_WRITE) continue;
      await write(exchange, lines.join(''));
      lines = [];
    }
    lines.push(`${JSON.stringify({ end: count })}\n`);
    await end(exchange, Buffer.from(lines.join('')));
  };
}

/** Makes the handler that answers with the details of one session. */
export function createShowSessionHandler(
  { authenticate }: Pick<Access, 'authenticate'>,
  administered: Administered,
): IdHandler {
  return async (exchange, id) => {
    const authorization = await authenticate(exchange);
    const record = await administered.sessions.get(id);
    if (record === undefined || !maySee(authorization, record)) throw noSession();
    await sendJson(exchange, 200, await detailsOf(administered, record));
  };
}

/** Makes the handler that ends a session for an access token: any with the scope `admin`, else the principal's own. */
export function createAdministrativeAbort(
  { authenticate }: Pick<Access, 'authenticate'>,
  { sessions, live }: Pick<Administered, 'sessions' | 'live'>,
  abort: Ending['abort'],
): IdHandler {
  return async (exchange, id) => {
    const authorization = await authenticate(exchange);
    const { id: by, scopes } = authorization;
    // The record alone first: a caller that may not see the session must not make the server load it.
    const kept = await sessions.get(id);
    if (kept === undefined || !maySee(authorization, kept)) throw noSession();
    const isOwn = kept.principal === authorization.principal;
    if (!scopes.includes('admin')) checkAllowsSession(authorization, kept);
    await live.use(id, async (session) => {
      const why = isOwn ? 'owner' : 'administrator';
      await abort(session, { cause: { by, from: exchange.address, why } });
    });
    await live.forgetUnused(id);
    await sendJson(exchange, 200, {});
  };
}

/** Whether the caller may see a session: within the token's path, and only the principal's own without `admin`. */
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
