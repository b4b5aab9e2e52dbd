/** `cairn push`, `pull`, `ls` and `verify`. */
import { Option, type Command } from 'commander';
import * as help from '../../help/shared-notes.ts';
import { addClientOptions } from '../../options/client-options.ts';
import { addNotes } from '../../help/notes.ts';
import { GROUPS, ofThisCommand } from '../../options/option.ts';
import { addTransferOptions } from '../../options/transfer-options.ts';
import type { Done } from '../../options/done.ts';

/** Adds `push`. */
export function addPush(program: Command, done: Done): void {
  const command = program
    .command('push')
    .description('send files, trees, standard input or the output of a command')
    .usage('[options] SOURCE... URL\n       cairn push [options] --from-command URL -- COMMAND [ARG...]')
    .argument('[words...]', 'SOURCE: file, directory, or - for standard input')
    .optionsGroup(GROUPS.what)
    .addOption(ofThisCommand(new Option('--from-command', 'run the command after -- and send its output')));
  addNotes(addTransferOptions(command), help.PUSH_HELP).action(async (words, options) =>
    done(await (await import('./run-push.ts')).runPush(words, options)),
  );
}

/** Adds `pull`. */
export function addPull(program: Command, done: Done): void {
  const command = program
    .command('pull')
    .description('fetch a file or a tree')
    .usage('[options] URL DEST')
    .argument('[words...]', 'DEST: file, directory, or - for standard output');
  addNotes(addTransferOptions(command), help.PULL_HELP).action(async (words, options) =>
    done(await (await import('../pull/run-pull.ts')).runPull(words, options)),
  );
}

/** Adds `ls`, in which -h is about sizes, as in ls(1). */
export function addLs(program: Command, done: Done): void {
  const command = program
    .command('ls')
    .description('list files and directories on a server')
    .argument('<url>')
    .addHelpOption(new Option('--help', 'print this help'))
    .optionsGroup(GROUPS.what)
    .addOption(ofThisCommand(new Option('-R, --recursive', 'also list everything below')))
    .option('-h, --human-readable', 'print sizes like 1.5 KiB and 210 MiB (for help: --help)');
  addNotes(addClientOptions(command, '10s'), help.LS_HELP).action(async (url, options) =>
    done(await (await import('../ls/run-ls.ts')).runLs(url, options)),
  );
}

/** Adds `verify`. */
export function addVerify(program: Command, done: Done): void {
  const command = program
    .command('verify')
    .description('read both sides again and compare them')
    .argument('<local>')
    .argument('<url>');
  addNotes(addClientOptions(command, '5m'), help.VERIFY_HELP).action(async (local, url, options) =>
    done(await (await import('../verify/run-verify.ts')).runVerify(local, url, options)),
  );
}
