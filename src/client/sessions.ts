/** `cairn sessions`: what a server keeps of unfinished and ended transfers, and the end of those that are not wanted. */
import type { ReachOptions } from './api/reach.ts';
import type { SESSION_STATES } from '../session/session-states.ts';
import type * as v from 'valibot';
import { CairnError } from '../base/errors.ts';
import { splitLines } from '../manifest/manifest-reader.ts';
import { SessionDetails, SessionListLine, type SessionSummary } from '../wire/admin-messages.ts';
import { Empty, SESSION_ID_PATTERN } from '../wire/messages.ts';
import { parseJsonMessage } from '../wire/parse-message.ts';
import { ROUTE } from '../wire/routes.ts';
import { call, callJson, type Server } from './http/server-calls.ts';
import { openContext } from './transfer/transfer-context.ts';

/** Which sessions are meant; an undefined member does not matter. */
export interface SessionFilter {
  readonly state?: (typeof SESSION_STATES)[number] | undefined;
  readonly owner?: string | undefined;
  /** Only those that were not touched for so long, by the server's clock. */
  readonly untouchedForMs?: number | undefined;
}

/** More sessions than any server keeps: a list that does not end must not fill the memory. */
const MAX_SESSIONS = 1_000_000;

/** A server that was asked about its sessions. Close it. */
export interface SessionsAtServer {
  /** The sessions that the token may see, the one touched last first. */
  list(filter?: SessionFilter): Promise<SessionSummary[]>;
  /** The id that begins so. @throws CairnError `session-not-found`, `usage` where several do */
  fullId(beginning: string): Promise<string>;
  /** @throws CairnError `session-not-found` */
  show(id: string): Promise<SessionDetails>;
  /** Ends a session and frees what it holds. @throws CairnError `session-not-found`, `session-state`, `forbidden` */
  abort(id: string): Promise<void>;
  close(): Promise<void>;
}

/** Finds the server of a URL. @throws CairnError what finding it throws */
export async function openSessions(options: ReachOptions): Promise<SessionsAtServer> {
  const context = await openContext({ ...options, parallel: 1 });
  const { server, signal, retrier } = context;
  const ask = <T>(request: (headers: Readonly<Record<string, string>>) => Promise<T>): Promise<T> =>
    retrier.run(() => server.access.run(request));
  const list = async (filter: SessionFilter = {}): Promise<SessionSummary[]> => {
    const { sessions, serverMs } = await ask((headers) => fetchList(server, filter, { headers, signal }));
    const { untouchedForMs } = filter;
    // A date has whole seconds: without a wish even one that lies before the last touch leaves nothing out.
    const isOld = ({ touchedAtMs }: SessionSummary): boolean =>
      untouchedForMs === undefined || serverMs - touchedAtMs >= untouchedForMs;
    const chosen = sessions.filter(isOld);
    return chosen.toSorted((a, b) => b.touchedAtMs - a.touchedAtMs);
  };
  return {
    list,
    fullId: async (beginning) =>
      SESSION_ID_PATTERN.test(beginning) ? beginning : uniqueId(await list(), beginning),
    show: (id) => {
      const path = ROUTE.session(id);
      return ask((headers) =>
        callJson(server, SessionDetails, 'the session', { method: 'GET', path, headers, signal }),
      );
    },
    abort: async (id) => {
      const path = ROUTE.session(id);
      await ask((headers) =>
        callJson(server, Empty, 'the answer to an abort', { method: 'DELETE', path, headers, signal }),
      );
    },
    close: () => context.close(),
  };
}

/** One try to fetch a whole list, and what the server's clock said. */
async function fetchList(
  server: Server,
  { state, owner }: SessionFilter,
  { headers, signal }: { headers: Readonly<Record<string, string>>; signal: AbortSignal },
): Promise<{ sessions: SessionSummary[]; serverMs: number }> {
  const query = new URLSearchParams();
  if (state !== undefined) query.set('state', state);
  if (owner !== undefined) query.set('owner', owner);
  const path = query.size === 0 ? ROUTE.sessions() : `${ROUTE.sessions()}?${query.toString()}`;
  const response = await call(server, { method: 'GET', path, headers, signal });
  const date = Date.parse(response.header('date') ?? '');
  const sessions: SessionSummary[] = [];
  let end: number | undefined;
  for await (const lines of splitLines(response.body)) {
    for (const line of lines) {
      const message = parseJsonMessage(SessionListLine, line, 'a line of the list of sessions');
      if (end !== undefined || sessions.length >= MAX_SESSIONS) throw cut('goes on after its end');
      if (isEnd(message)) end = message.end;
      else sessions.push(message);
    }
  }
  if (end !== sessions.length) throw cut('was cut before its end');
  return { sessions, serverMs: Number.isNaN(date) ? Date.now() : date };
}

function isEnd(line: v.InferOutput<typeof SessionListLine>): line is { end: number } {
  return 'end' in line;
}

const MOST_NAMED = 20;

function cut(how: string): CairnError {
  return new CairnError('chunk-incomplete', `the list of sessions ${how}`);
}

function uniqueId(sessions: readonly SessionSummary[], beginning: string): string {
  const found = sessions.filter(({ session }) => session.startsWith(beginning));
  const [first, second] = found;
  if (first === undefined) {
    throw new CairnError('session-not-found', `the server shows no session "${beginning}" to this token`);
  }
  if (second === undefined) return first.session;
  const some = found.slice(0, MOST_NAMED).map(({ session }) => session);
  const all = [...some, ...(found.length > MOST_NAMED ? ['…'] : [])].join(', ');
  throw new CairnError(
    'usage',
    `${found.length} sessions begin with "${beginning}": ${all}; give more of it`,
  );
}
