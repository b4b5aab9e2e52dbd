/** `cairn ls` with its options. */
import { Option, type Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { SELECTION_NOTE, TLS_NOTE, TOKEN_NOTE, URL_NOTE } from '../../help/shared-notes.ts';
import { addClientOptions, type ClientValues } from '../../options/client-options.ts';
import { addSelectionOptions, type SelectionValues } from '../../options/selection-options.ts';
import { addOptions, flag, GROUPS, ofThisCommand, type Run, type ValuesOf } from '../../options/option.ts';

const OPTIONS = {
  ...ofThisCommand({ recursive: flag('-R, --recursive', 'also list everything below') }),
  humanReadable: flag('-h, --human-readable', 'print sizes like 1.5 KiB and 210 MiB (for help: --help)'),
};

/** What a user says of a listing. */
export type LsValues = ClientValues & SelectionValues & ValuesOf<typeof OPTIONS>;

const NOTES = `
Examples:
  cairn ls http://127.0.0.1:7070/
  cairn ls -R --json http://127.0.0.1:7070/photos
  cairn ls -R --min-size 1G http://127.0.0.1:7070/
${SELECTION_NOTE}
${URL_NOTE}
${TOKEN_NOTE}
${TLS_NOTE}`;

/** Adds `ls`, in which -h is about sizes, as in ls(1). */
export function addLs(program: Command, run: Run<[url: string, values: LsValues]>): void {
  const command = program
    .command('ls')
    .description('list files and directories on a server')
    .argument('<url>')
    .addHelpOption(new Option('--help', 'print this help'));
  addSelectionOptions(addOptions(command, GROUPS.what, OPTIONS), {
    isLocal: false,
    findsCaches: true,
  });
  addClientOptions(command, '10s');
  addNotes(command, NOTES).action(run);
}
