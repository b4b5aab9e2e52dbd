/** The commands of an administrator: `cairn sessions` and `cairn doctor`, with their options. */
import { Option, type Command } from 'commander';
import { DOCTOR_HELP, SESSIONS_HELP } from '../../help/help-sessions.ts';
import { SESSION_STATES } from '../../../session/session-states.ts';
import { addAccessToServer, addJson, addRetryFor } from '../../options/client-options.ts';
import { addNotes } from '../../help/notes.ts';
import { GROUPS, ofThisCommand, optionOf } from '../../options/option.ts';
import type { Done } from '../../options/done.ts';

/** Adds `sessions list|show|abort`. */
export function addSessions(program: Command, done: Done): void {
  const sessions = addNotes(program.command('sessions'), SESSIONS_HELP).description(
    "list, show and abort a server's sessions: who transfers what, and how much of it is done",
  );
  addReach(addChoice(sessions.command('list')))
    .description('list the sessions')
    .argument('<url>')
    .action(async (url, options) =>
      done(await (await import('./run-sessions.ts')).runSessionsList(url, options)),
    );
  const show = sessions
    .command('show')
    .optionsGroup(GROUPS.what)
    .addOption(
      ofThisCommand(
        new Option('--trace', 'print its history: what happened, when, why, by whom and from where'),
      ),
    );
  addReach(show)
    .description('print everything about one session')
    .argument('<url>')
    .argument('<id>')
    .action(async (url, id, options) =>
      done(await (await import('./run-sessions.ts')).runSessionsShow(url, id, options)),
    );
  addAbort(sessions, done);
}

function addAbort(sessions: Command, done: Done): void {
  const abort = addChoice(sessions.command('abort')).addOption(
    ofThisCommand(new Option('--all', 'abort every unfinished session that the other options choose')),
  );
  addReach(abort)
    .description('end sessions, and free the bytes that arrived')
    .argument('<url>')
    .argument('[ids...]')
    .addOption(new Option('-q, --quiet', 'print nothing but errors').helpGroup(GROUPS.output))
    .action(async (url, ids, options) =>
      done(await (await import('./run-sessions.ts')).runSessionsAbort(url, ids, options)),
    );
}

/** Adds `doctor`. */
export function addDoctor(program: Command, done: Done): void {
  const doctor = program
    .command('doctor')
    .description('find out what goes wrong between this machine and a server, and the remedy')
    .argument('<url>')
    .optionsGroup(GROUPS.what)
    .option(
      '--thorough',
      'try a silence of 65s, which is longer than many proxies wait, and 64 MiB over one connection',
    )
    .option('--silence <duration>', 'how long a silence to try (default: 15s)');
  addNotes(addJson(addAccessToServer(doctor)), DOCTOR_HELP).action(async (url, options) =>
    done(await (await import('../doctor/run-doctor.ts')).runDoctor(url, options)),
  );
}

function addChoice(command: Command): Command {
  return command
    .optionsGroup(GROUPS.what)
    .addOption(
      ofThisCommand(
        optionOf(
          '--state <state>',
          'only sessions in this state: establishing, open, suspended, committing, …',
          SESSION_STATES,
        ),
      ),
    )
    .addOption(ofThisCommand(new Option('--owner <owner>', 'only sessions of this owner')))
    .addOption(
      ofThisCommand(new Option('--older-than <duration>', 'only sessions without a request for so long')),
    );
}

function addReach(command: Command): Command {
  return addJson(addRetryFor(addAccessToServer(command), '10s'));
}
