/** `cairn transfers` with its subcommands. */
import { Option, type Command } from 'commander';
import { TRANSFERS_HELP } from './help.ts';
import { addAccessToServer, addJson } from './options/client-options.ts';
import { addNotes } from './options/notes.ts';
import { GROUPS, ofThisCommand } from './options/option.ts';
import type { Done } from './done.ts';

/** Adds `transfers list|show|resume|rm`. */
export function addTransfers(program: Command, done: Done): void {
  const transfers = addNotes(program.command('transfers'), TRANSFERS_HELP).description(
    "this machine's unfinished transfers",
  );
  addJson(transfers.command('list', { isDefault: true }))
    .description('list them')
    .action(async (options) =>
      done(await (await import('./commands/transfers.ts')).runTransfersList(options)),
    );
  addJson(transfers.command('show'))
    .description('everything about one')
    .argument('<id>')
    .action(async (id, options) =>
      done(await (await import('./commands/transfers.ts')).runTransfersShow(id, options)),
    );
  addJson(transfers.command('resume'))
    .description('go on with everything that is unfinished')
    .addOption(new Option('-q, --quiet', 'say nothing but errors').helpGroup(GROUPS.output))
    .action(async (options) =>
      done(await (await import('./commands/transfers.ts')).runTransfersResume(options)),
    );
  addRemoval(transfers, done);
}

function addRemoval(transfers: Command, done: Done): void {
  const command = transfers
    .command('rm')
    .description('forget some: running their commands again starts over')
    .argument('[ids...]')
    .optionsGroup(GROUPS.what)
    .addOption(ofThisCommand(new Option('--all', 'every one that is not running')))
    .addOption(
      ofThisCommand(
        new Option(
          '--abort',
          'also free at once what the server holds of it; otherwise its lease does, in time',
        ),
      ),
    );
  addJson(addAccessToServer(command)).action(async (ids, options) =>
    done(await (await import('./commands/transfers.ts')).runTransfersRm(ids, options)),
  );
}
