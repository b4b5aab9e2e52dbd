/** `cairn rm`, `mv` and `mkdir`. */
import { Option, type Command } from 'commander';
import * as help from '../../help/help-tree.ts';
import { addClientOptions } from '../../options/client-options.ts';
import { addNotes } from '../../help/notes.ts';
import { GROUPS, ofThisCommand } from '../../options/option.ts';
import type { Done } from '../../options/done.ts';

/** Adds `rm`. */
export function addRm(program: Command, done: Done): void {
  const command = program
    .command('rm')
    .description('remove files and directories on a server')
    .argument('<urls...>')
    .optionsGroup(GROUPS.what)
    .addOption(ofThisCommand(new Option('-r, --recursive', 'remove directories with everything in them')))
    .addOption(ofThisCommand(new Option('-f, --force', 'count nothing at a URL as success')));
  addNotes(addClientOptions(command, '10s'), help.RM_HELP).action(async (urls, options) =>
    done(await (await import('./change-tree.ts')).runRm(urls, options)),
  );
}

/** Adds `mv`. */
export function addMv(program: Command, done: Done): void {
  const command = program
    .command('mv')
    .description('move or rename a file or directory on a server')
    .argument('<from>')
    .argument('<to>')
    .optionsGroup(GROUPS.what)
    .addOption(ofThisCommand(new Option('-f, --force', 'replace a file at the new URL')));
  addNotes(addClientOptions(command, '10s'), help.MV_HELP).action(async (from, to, options) =>
    done(await (await import('./change-tree.ts')).runMv(from, to, options)),
  );
}

/** Adds `mkdir`. */
export function addMkdir(program: Command, done: Done): void {
  const command = program
    .command('mkdir')
    .description('make directories on a server')
    .argument('<urls...>')
    .optionsGroup(GROUPS.what)
    .addOption(
      ofThisCommand(
        new Option('-p, --parents', 'also make missing parents; a directory at a URL is no error'),
      ),
    );
  addNotes(addClientOptions(command, '10s'), help.MKDIR_HELP).action(async (urls, options) =>
    done(await (await import('./change-tree.ts')).runMkdir(urls, options)),
  );
}
