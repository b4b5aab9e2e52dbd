/** `cairn sessions`: the sessions of a server. */
import { CairnError, EXIT, type ExitCode } from '../../../base/errors.ts';
import type { SessionFilter, SessionsAtServer } from '../../../client/sessions.ts';
import { printable } from '../../../base/safe-path.ts';
import { print } from '../../process/output.ts';
import { doneLine, jsonLine } from '../../report/json-line.ts';
import { sessionLines, sessionObject, sessionTable, traceLines } from './session-table.ts';
import { NO_LINES, runClient } from '../../access/run-client.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import { usage } from '../../options/usage.ts';
import type { AbortValues, ChoiceValues, ListValues, ReachValues, ShowValues } from './sessions-command.ts';

const LINES_PER_PRINT = 1000;

/** `cairn sessions list URL`. */
export async function runSessionsList(word: string, values: ListValues): Promise<ExitCode> {
  const filter = filterOf(values);
  return withServer(word, values, async (server) => {
    const sessions = await server.list(filter);
    if (values.json) {
      printJson(sessions.map(sessionObject));
      print(doneLine({ sessions: sessions.length }));
    } else printAll(sessionTable(sessions, Date.now()));
    return EXIT.done;
  });
}

/** `cairn sessions show URL ID`. */
export async function runSessionsShow(word: string, id: string, values: ShowValues): Promise<ExitCode> {
  return withServer(word, values, async (server) => {
    const { history, ...session } = await server.show(await server.fullId(id));
    const isTraced = values.trace;
    if (values.json) {
      printJson([sessionObject(session)]);
      if (isTraced) printJson(history.map((moment) => ({ type: 'moment', ...moment })));
      print(doneLine({ sessions: 1 }));
    } else {
      // --trace asks for the history alone, which is also part of the rest.
      printAll(isTraced ? traceLines(history) : sessionLines({ ...session, history }, Date.now()));
    }
    return EXIT.done;
  });
}

/** `cairn sessions abort URL ID... | --all`. */
export async function runSessionsAbort(
  word: string,
  ids: readonly string[],
  values: AbortValues,
): Promise<ExitCode> {
  const { state, owner, olderThan, all } = values;
  const isChosen = state !== undefined || owner !== undefined || olderThan !== undefined;
  if (all ? ids.length > 0 : ids.length === 0 || isChosen) {
    throw usage(
      'sessions abort takes the ids of sessions, or --all; --state, --owner and --older-than choose among all',
      'cairn sessions abort --all --state suspended --older-than 7d URL',
    );
  }
  const filter = filterOf(values);
  return withServer(word, values, async (server) => {
    const chosen = all ? await unfinished(server, filter) : await fullIds(server, ids);
    return abortEach(server, chosen, values);
  });
}

/** Those that still hold something; the ended ones hold nothing but their records. */
async function unfinished(server: SessionsAtServer, filter: SessionFilter): Promise<string[]> {
  const holding = new Set(['establishing', 'open', 'suspended', 'committing']);
  const sessions = await server.list(filter);
  return sessions.filter(({ state }) => holding.has(state)).map(({ session }) => session);
}

async function fullIds(server: SessionsAtServer, ids: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  // oxlint-disable-next-line no-await-in-loop -- the first that is wrong stops the rest, before anything is ended
  for (const id of ids) found.push(await server.fullId(id));
  return found;
}

/** One that has ended by itself since it was listed, or can no longer be stopped, is no failure where all were meant. */
const PASSED_OVER = new Set(['session-not-found', 'session-state']);

async function abortEach(
  server: SessionsAtServer,
  ids: readonly string[],
  { json, quiet, all }: AbortValues,
): Promise<ExitCode> {
  let aborted = 0;
  for (const id of ids) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- each of them costs the server a sync
      await server.abort(id);
    } catch (error) {
      if (!all || !(error instanceof CairnError) || !PASSED_OVER.has(error.code)) throw error;
      if (!json && !quiet) process.stderr.write(`cairn: skipped ${id}: ${printable(error.message)}\n`);
      continue;
    }
    aborted += 1;
    if (json) print(jsonLine({ type: 'aborted', session: id }));
    else if (!quiet) print(`aborted ${id}\n`);
  }
  if (json) print(doneLine({ aborted, passedOver: ids.length - aborted }));
  else if (!quiet && ids.length === 0) print('no sessions to abort\n');
  return EXIT.done;
}

function filterOf({ state, owner, olderThan }: ChoiceValues): SessionFilter {
  return { state, owner, untouchedForMs: olderThan };
}

async function withServer(
  word: string,
  values: ReachValues,
  work: (server: SessionsAtServer) => Promise<ExitCode>,
): Promise<ExitCode> {
  const url = parseServerUrl(word);
  const { openSessions } = await import('../../../client/sessions.ts');
  const job = { url, values, resumeCommand: ['cairn', 'sessions', 'list', url.href] };
  const { result } = await runClient(job, NO_LINES, async (options) => {
    const server = await openSessions(options);
    try {
      return await work(server);
    } finally {
      await server.close();
    }
  });
  return result;
}

function printAll(lines: readonly string[]): void {
  for (let from = 0; from < lines.length; from += LINES_PER_PRINT) {
    print(lines.slice(from, from + LINES_PER_PRINT).join(''));
  }
}

function printJson(objects: readonly Record<string, unknown>[]): void {
  printAll(objects.map(jsonLine));
}
