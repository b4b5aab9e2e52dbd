/** `cairn rm`, `mv` and `mkdir`. */
import type { Command } from 'commander';
import * as help from './help-tree.ts';
import { addClientOptions } from './options/client-options.ts';
import { addNotes } from './options/notes.ts';
import { GROUPS } from './options/option.ts';
import type { Done } from './done.ts';

/** Adds `rm`. */
export function addRm(program: Command, done: Done): void {
  const command = program
    .command('rm')
    .description('remove what is on a server')
    .argument('<urls...>')
    .optionsGroup(GROUPS.what)
    .option('-r, --recursive', 'a directory with all that is in it')
    .option('-f, --force', 'what is not there is no error');
  addNotes(addClientOptions(command, '10s'), help.RM_HELP).action(async (urls, options) =>
    done(await (await import('./commands/tree-changes.ts')).runRm(urls, options)),
  );
}

/** Adds `mv`. */
export function addMv(program: Command, done: Done): void {
  const command = program
    .command('mv')
    .description('move or rename what is on a server')
    .argument('<from>')
    .argument('<to>')
    .optionsGroup(GROUPS.what)
    .option('-f, --force', 'replace the file that is there');
  addNotes(addClientOptions(command, '10s'), help.MV_HELP).action(async (from, to, options) =>
    done(await (await import('./commands/tree-changes.ts')).runMv(from, to, options)),
  );
}

/** Adds `mkdir`. */
export function addMkdir(program: Command, done: Done): void {
  const command = program
    .command('mkdir')
    .description('make directories on a server')
    .argument('<urls...>')
    .optionsGroup(GROUPS.what)
    .option('-p, --parents', 'what is missing above, too; what is there is no error');
  addNotes(addClientOptions(command, '10s'), help.MKDIR_HELP).action(async (urls, options) =>
    done(await (await import('./commands/tree-changes.ts')).runMkdir(urls, options)),
  );
}
