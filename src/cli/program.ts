/** The commands of the command line. Each command's code is loaded when it runs. */
import { Command, Option } from 'commander';
import type { Done } from './options/done.ts';
import * as help from './help/shared-notes.ts';
import { styleHelp } from './help/help-style.ts';
import { addLogin, addGrant, addToken } from './commands/login/login-commands.ts';
import { addCompletion, COMPLETE } from './commands/completion/completion-command.ts';
import { addServe } from './commands/serve/serve-command.ts';
import { addDoctor, addSessions } from './commands/sessions/sessions-command.ts';
import { addLs, addPull, addPush, addVerify } from './commands/push/push-command.ts';
import { addMkdir, addMv, addRm } from './commands/tree/tree-commands.ts';
import { addTransfers } from './commands/transfers/transfers-command.ts';
import { addNotes } from './help/notes.ts';
import { print } from './process/output.ts';
import { VERSION } from './process/cairn-version.ts';
import { refuseEmptyWords } from './options/empty-words.ts';

/**
 * The command line. Parsing throws commander's error for what it does not know, and CairnError for what the commands
 * throw; nothing is said of either here.
 */
export function createProgram(done: Done): Command {
  const program = styleHelp(new Command('cairn'))
    .description('Moves files and directory trees to and from a server, and never loses its place.')
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpOption(new Option('-h, --help', 'print this help'))
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => undefined, writeOut: print })
    .exitOverride()
    .hook('preAction', (_program, command) => {
      if (command.name() !== COMPLETE) refuseEmptyWords(command);
    });
  addNotes(program, help.MAIN_HELP).commandsGroup('Move files:');
  addPush(program, done);
  addPull(program, done);
  addLs(program, done);
  addVerify(program, done);
  addRm(program, done);
  addMv(program, done);
  addMkdir(program, done);
  program.commandsGroup('On this machine:');
  addTransfers(program, done);
  addLogin(program, done);
  addDoctor(program, done);
  addCompletion(program, done);
  addDemo(program, done);
  program.commandsGroup('Run a server:');
  addServe(program, done);
  addToken(program, done);
  addGrant(program, done);
  addSessions(program, done);
  return program;
}

function addDemo(program: Command, done: Done): void {
  addNotes(program.command('demo'), help.DEMO_HELP)
    .description('quick start: run a transfer with cuts and kills, and prove that nothing was lost')
    .argument('[path]', 'your own file or directory, which is only read')
    .action(async (path) => done(await (await import('./commands/demo/run-demo.ts')).runDemo(path)));
}
