/** The commands of people who look after a server: `cairn sessions` and `cairn doctor`, with their options. */
import { Option, type Command } from 'commander';
import { DOCTOR_HELP, SESSIONS_HELP } from './help-sessions.ts';
import { SESSION_STATES } from '../session/session-states.ts';
import { addAccessToServer, addJson, addRetryFor } from './options/client-options.ts';
import { addNotes } from './options/notes.ts';
import { GROUPS, ofThisCommand, optionOf } from './options/option.ts';
import type { Done } from './done.ts';

/** Adds `sessions list|show|abort`. */
export function addSessions(program: Command, done: Done): void {
  const sessions = addNotes(program.command('sessions'), SESSIONS_HELP).description(
    "a server's sessions: who transfers what, and how far it is",
  );
  addReach(addChoice(sessions.command('list')))
    .description('list them')
    .argument('<url>')
    .action(async (url, options) =>
      done(await (await import('./commands/sessions.ts')).runSessionsList(url, options)),
    );
  const show = sessions
    .command('show')
    .optionsGroup(GROUPS.what)
    .addOption(
      ofThisCommand(
        new Option('--trace', 'the life of it: what happened, when, why, by whom and from where'),
      ),
    );
  addReach(show)
    .description('everything about one')
    .argument('<url>')
    .argument('<id>')
    .action(async (url, id, options) =>
      done(await (await import('./commands/sessions.ts')).runSessionsShow(url, id, options)),
    );
  addAbort(sessions, done);
}

function addAbort(sessions: Command, done: Done): void {
  const abort = addChoice(sessions.command('abort')).addOption(
    ofThisCommand(new Option('--all', 'every unfinished one that the other options choose')),
  );
  addReach(abort)
    .description('end some, and free what they hold')
    .argument('<url>')
    .argument('[ids...]')
    .addOption(new Option('-q, --quiet', 'say nothing but errors').helpGroup(GROUPS.output))
    .action(async (url, ids, options) =>
      done(await (await import('./commands/sessions.ts')).runSessionsAbort(url, ids, options)),
    );
}

/** Adds `doctor`. */
export function addDoctor(program: Command, done: Done): void {
  const doctor = program
    .command('doctor')
    .description('look for what goes wrong between this machine and a server')
    .argument('<url>')
    .optionsGroup(GROUPS.what)
    .option(
      '--thorough',
      'try a silence that is longer than the usual patience of proxies (65s), and 64 MiB over one connection',
    )
    .option('--silence <duration>', 'how long a silence to try (default: 15s)');
  addNotes(addJson(addAccessToServer(doctor)), DOCTOR_HELP).action(async (url, options) =>
    done(await (await import('./commands/doctor.ts')).runDoctor(url, options)),
  );
}

function addChoice(command: Command): Command {
  return command
    .optionsGroup(GROUPS.what)
    .addOption(
      ofThisCommand(
        optionOf(
          '--state <state>',
          'only those that are so: establishing, open, suspended, committing, …',
          SESSION_STATES,
        ),
      ),
    )
    .addOption(ofThisCommand(new Option('--owner <principal>', 'only those of one owner')))
    .addOption(
      ofThisCommand(new Option('--older-than <duration>', 'only those that nobody has touched for so long')),
    );
}

function addReach(command: Command): Command {
  return addJson(addRetryFor(addAccessToServer(command), '10s'));
}
