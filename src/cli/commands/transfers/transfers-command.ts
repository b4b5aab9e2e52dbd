/** `cairn transfers` with its subcommands. */
import { Option, type Command } from 'commander';
import { TRANSFERS_HELP } from '../../help/shared-notes.ts';
import { addAccessToServer, addJson } from '../../options/client-options.ts';
import { addNotes } from '../../help/notes.ts';
import { GROUPS, ofThisCommand } from '../../options/option.ts';
import type { Done } from '../../options/done.ts';

/** Adds `transfers list|show|resume|rm`. */
export function addTransfers(program: Command, done: Done): void {
  const transfers = addNotes(program.command('transfers'), TRANSFERS_HELP).description(
    'list, show, resume and remove the unfinished transfers of this machine',
  );
  addJson(transfers.command('list', { isDefault: true }))
    .description('list the unfinished transfers')
    .action(async (options) => done(await (await import('./run-transfers.ts')).runTransfersList(options)));
  addJson(transfers.command('show'))
    .description('print everything about one transfer')
    .argument('<id>')
    .action(async (id, options) =>
      done(await (await import('./run-transfers.ts')).runTransfersShow(id, options)),
    );
  addJson(transfers.command('resume'))
    .description('resume every unfinished transfer')
    .addOption(new Option('-q, --quiet', 'print nothing but errors').helpGroup(GROUPS.output))
    .action(async (options) => done(await (await import('./run-transfers.ts')).runTransfersResume(options)));
  addRemoval(transfers, done);
}

function addRemoval(transfers: Command, done: Done): void {
  const command = transfers
    .command('rm')
    .description('remove transfers: running their commands again starts over')
    .argument('[ids...]')
    .optionsGroup(GROUPS.what)
    .addOption(ofThisCommand(new Option('--all', 'remove every transfer that does not run')))
    .addOption(
      ofThisCommand(new Option('--abort', 'also free the bytes at the server now, not when the lease ends')),
    );
  addJson(addAccessToServer(command)).action(async (ids, options) =>
    done(await (await import('./run-transfers.ts')).runTransfersRm(ids, options)),
  );
}
