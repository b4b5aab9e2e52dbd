/** The commands of whoever looks after a server: `cairn sessions` and `cairn doctor`, with their options. */
import type { Command } from 'commander';
import type { ExitCode } from '../base/errors.ts';
import { DOCTOR_HELP, SESSIONS_HELP } from './help-sessions.ts';
import { addTlsOptions } from './program-tls.ts';

/** Told the exit code of the command that ran. */
type Done = (exitCode: ExitCode) => void;

/** Adds `sessions list|show|abort`. */
export function addSessions(program: Command, done: Done): void {
  const sessions = program
    .command('sessions')
    .description("a server's sessions: who transfers what, and how far it is")
    .addHelpText('after', SESSIONS_HELP);
  addReach(addChoice(sessions.command('list')))
    .description('list them')
    .argument('<url>')
    .action(async (url, options) =>
      done(await (await import('./commands/sessions.ts')).runSessionsList(url, options)),
    );
  addReach(sessions.command('show'))
    .description('everything about one')
    .argument('<url>')
    .argument('<id>')
    .option('--trace', 'the life of it: what happened, when, why, by whom and from where')
    .action(async (url, id, options) =>
      done(await (await import('./commands/sessions.ts')).runSessionsShow(url, id, options)),
    );
  addReach(addChoice(sessions.command('abort')))
    .description('end some, and free what they hold')
    .argument('<url>')
    .argument('[ids...]')
    .option('--all', 'every unfinished one that the other options choose')
    .option('-q, --quiet', 'say nothing but errors')
    .action(async (url, ids, options) =>
      done(await (await import('./commands/sessions.ts')).runSessionsAbort(url, ids, options)),
    );
}

/** Adds `doctor`. */
export function addDoctor(program: Command, done: Done): void {
  addTlsOptions(program.command('doctor'))
    .description('look for what goes wrong between this machine and a server')
    .argument('<url>')
    .option('--thorough', 'try a silence that is longer than the usual patience of proxies: 65s')
    .option('--silence <duration>', 'how long a silence to try (default: 15s)')
    .option('--token-file <file>', 'file with the access token, readable only by you')
    .option('--json', 'one JSON object per line on stdout')
    .addHelpText('after', DOCTOR_HELP)
    .action(async (url, options) =>
      done(await (await import('./commands/doctor.ts')).runDoctor(url, options)),
    );
}

function addChoice(command: Command): Command {
  return command
    .option('--state <state>', 'only those that are so: establishing, open, suspended, committing, …')
    .option('--owner <principal>', 'only those of one owner')
    .option('--older-than <duration>', 'only those that nobody has touched for so long');
}

function addReach(command: Command): Command {
  return addTlsOptions(command)
    .option('--token-file <file>', 'file with the access token, readable only by you')
    .option('--retry-for <duration>', 'how long to wait for a server that is away (default: 10s)')
    .option('--json', 'one JSON object per line on stdout');
}
