/** `cairn transfers` with its subcommands and their options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { addAccess, addJson, type AccessValues } from '../../options/client-options.ts';
import { addOptions, flag, GROUPS, ofThisCommand, type Run, type ValuesOf } from '../../options/option.ts';

const RESUME = { quiet: flag('-q, --quiet', 'print nothing but errors') };
const RM = ofThisCommand({
  all: flag('--all', 'remove every transfer that is not running'),
  abort: flag('--abort', 'also free the bytes at the server now, not when the lease ends'),
});

/** What a user says of each subcommand. */
export interface TransfersValues {
  readonly json: boolean;
}
/** What a user says of `transfers resume`. */
export type ResumeValues = TransfersValues & ValuesOf<typeof RESUME>;
/** What a user says of `transfers rm`. */
export type RmValues = TransfersValues & AccessValues & ValuesOf<typeof RM>;

/** What runs each subcommand. */
interface TransfersRuns {
  readonly list: Run<[values: TransfersValues]>;
  readonly show: Run<[id: string, values: TransfersValues]>;
  readonly resume: Run<[values: ResumeValues]>;
  readonly rm: Run<[ids: readonly string[], values: RmValues]>;
}

const NOTES = `
Examples:
  cairn transfers                    list the unfinished transfers of this machine
  cairn transfers resume             resume all of them, one after the other
  cairn transfers show ID
  cairn transfers rm ID              remove one; running its command again starts over

The beginning of an ID is enough.`;

/** Adds `transfers list|show|resume|rm`. */
export function addTransfers(program: Command, runs: TransfersRuns): void {
  const transfers = addNotes(program.command('transfers'), NOTES).description(
    'list, show, resume and remove the unfinished transfers of this machine',
  );
  addJson(transfers.command('list', { isDefault: true }))
    .description('list the unfinished transfers')
    .action(runs.list);
  addJson(transfers.command('show'))
    .description('print everything about one transfer')
    .argument('<id>')
    .action(runs.show);
  addOptions(addJson(transfers.command('resume')), GROUPS.output, RESUME)
    .description('resume every unfinished transfer')
    .action(runs.resume);
  addJson(addAccess(addOptions(transfers.command('rm'), GROUPS.what, RM)))
    .description('remove transfers: running their commands again starts over')
    .argument('[ids...]')
    .action(runs.rm);
}
