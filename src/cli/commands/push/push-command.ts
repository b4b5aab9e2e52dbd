/** `cairn push` with its options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import {
  COMPRESS_NOTE,
  EXIT_NOTE,
  SELECTION_NOTE,
  SYNC_NOTE,
  TLS_NOTE,
  TOKEN_NOTE,
  URL_NOTE,
} from '../../help/shared-notes.ts';
import { addOptions, flag, GROUPS, ofThisCommand, type Run, type ValuesOf } from '../../options/option.ts';
import { addTransferOptions, type TransferValues } from '../../options/transfer-options.ts';

const OPTIONS = ofThisCommand({
  fromCommand: flag('--from-command', 'run the command after -- and send its output'),
});

/** What a user says of a push. */
export type PushValues = TransferValues & ValuesOf<typeof OPTIONS>;

const NOTES = `
Examples:
  cairn push ~/photos http://127.0.0.1:7070/photos     the entries of ~/photos appear under /photos
  cairn push report.pdf http://127.0.0.1:7070/inbox/   as /inbox/report.pdf
  cairn push report.pdf http://127.0.0.1:7070/r.pdf    exactly there
  tar c ~/src | cairn push - http://127.0.0.1:7070/src.tar
  cairn push --from-command http://127.0.0.1:7070/db.sql -- pg_dump mydb
  cairn push --exclude node_modules/ --exclude '*.log' ~/src http://127.0.0.1:7070/src
  cairn push --sync always ledger.db http://127.0.0.1:7070/ledger.db

With --from-command cairn publishes nothing unless the command exits with 0; otherwise cairn exits with 11.
${SELECTION_NOTE}
Files named .cairnignore in the source have rules for their directory, as .gitignore has for git: those of a deeper one count
before those above it, and options before all of them. They are pushed like other files.
${SYNC_NOTE}
A push gets the stricter of its own mode and the server's.
${COMPRESS_NOTE}
${URL_NOTE}
${TOKEN_NOTE}
${TLS_NOTE}
${EXIT_NOTE}`;

/** Adds `push`. */
export function addPush(program: Command, run: Run<[words: readonly string[], values: PushValues]>): void {
  const command = program
    .command('push')
    .description('send files, trees, standard input or the output of a command')
    .usage('[options] SOURCE... URL\n       cairn push [options] --from-command URL -- COMMAND [ARG...]')
    .argument('[words...]', 'SOURCE: file, directory, or - for standard input');
  addTransferOptions(addOptions(command, GROUPS.what, OPTIONS), { isLocal: true });
  addNotes(command, NOTES).action(run);
}
