/** The commands of the command line. Each command's code is loaded when it runs. */
import { Command, Option } from 'commander';
import type { Done } from './done.ts';
import * as help from './help.ts';
import { styleHelp } from './help-style.ts';
import { addLogin, addGrant, addToken } from './program-access.ts';
import { addCompletion, COMPLETE } from './program-completion.ts';
import { addServe } from './program-serve.ts';
import { addDoctor, addSessions } from './program-sessions.ts';
import { addLs, addPull, addPush, addVerify } from './program-transfer.ts';
import { addMkdir, addMv, addRm } from './program-tree.ts';
import { addTransfers } from './program-transfers.ts';
import { addNotes } from './options/notes.ts';
import { print } from './output.ts';
import { VERSION } from './version.ts';
import { refuseEmptyWords } from './words/empty-words.ts';

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
    .action(async (path) => done(await (await import('./commands/demo.ts')).runDemo(path)));
}
