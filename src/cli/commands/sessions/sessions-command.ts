/** `cairn sessions` with its subcommands and their options. */
import type { Command } from 'commander';
import { SESSION_STATES } from '../../../session/session-states.ts';
import { addNotes } from '../../help/notes.ts';
import { TLS_NOTE, TOKEN_NOTE } from '../../help/shared-notes.ts';
import {
  addAccess,
  addJson,
  addRetryFor,
  type AccessValues,
  type RetryFor,
} from '../../options/client-options.ts';
import {
  addOptions,
  choice,
  flag,
  GROUPS,
  ofThisCommand,
  text,
  value,
  type Run,
  type ValuesOf,
} from '../../options/option.ts';
import { parseDuration } from '../../options/quantities.ts';

const YEAR_MS = 365 * 86_400_000;

const CHOICE = ofThisCommand({
  state: choice(
    '--state <state>',
    'only sessions in this state: establishing, open, suspended, committing, …',
    SESSION_STATES,
  ),
  owner: text('--owner <owner>', 'only sessions of this owner'),
  olderThan: value(
    '--older-than <duration>',
    'only sessions without a request for this long',
    (option, word) => parseDuration(option, word, { maxMs: YEAR_MS }),
  ),
});
const SHOW = ofThisCommand({
  trace: flag('--trace', 'print its history: what happened, when, why, by whom and from where'),
});
const ABORT = ofThisCommand({
  all: flag('--all', 'abort every unfinished session that the other options choose'),
});
const QUIET = { quiet: flag('-q, --quiet', 'print nothing but errors') };

/** What a user says of each subcommand. */
export type ReachValues = AccessValues & { readonly retryFor: RetryFor; readonly json: boolean };
/** Which sessions are meant; `olderThan` is in milliseconds. */
export type ChoiceValues = ValuesOf<typeof CHOICE>;
/** What a user says of `sessions list`. */
export type ListValues = ReachValues & ChoiceValues;
/** What a user says of `sessions show`. */
export type ShowValues = ReachValues & ValuesOf<typeof SHOW>;
/** What a user says of `sessions abort`. */
export type AbortValues = ListValues & ValuesOf<typeof ABORT & typeof QUIET>;

/** What runs each subcommand. */
interface SessionsRuns {
  readonly list: Run<[url: string, values: ListValues]>;
  readonly show: Run<[url: string, id: string, values: ShowValues]>;
  readonly abort: Run<[url: string, ids: readonly string[], values: AbortValues]>;
}

const NOTES = `
Examples:
  cairn sessions list http://127.0.0.1:7070/
  cairn sessions list --state suspended --older-than 1d --json http://127.0.0.1:7070/
  cairn sessions show http://127.0.0.1:7070/ ID --trace
  cairn sessions abort http://127.0.0.1:7070/ ID ID
  cairn sessions abort --all --state suspended --older-than 7d http://127.0.0.1:7070/

A token with the scope admin sees and ends every session, any other token those of its owner. The beginning of an ID is
enough; put -- before one that begins with a dash. Aborting a session frees the bytes that arrived; its client starts over.
${TOKEN_NOTE}
${TLS_NOTE}`;

/** Adds `sessions list|show|abort`. */
export function addSessions(program: Command, runs: SessionsRuns): void {
  const sessions = addNotes(program.command('sessions'), NOTES).description(
    "list, show and abort a server's sessions: who transfers what, and how much of it is done",
  );
  addReach(addOptions(sessions.command('list'), GROUPS.what, CHOICE))
    .description('list the sessions')
    .argument('<url>')
    .action(runs.list);
  addReach(addOptions(sessions.command('show'), GROUPS.what, SHOW))
    .description('print everything about one session')
    .argument('<url>')
    .argument('<id>')
    .action(runs.show);
  const abort = addReach(addOptions(sessions.command('abort'), GROUPS.what, { ...CHOICE, ...ABORT }));
  addOptions(abort, GROUPS.output, QUIET)
    .description('end sessions, and free the bytes that arrived')
    .argument('<url>')
    .argument('[ids...]')
    .action(runs.abort);
}

function addReach(command: Command): Command {
  return addJson(addRetryFor(addAccess(command), '10s'));
}
