/** `cairn pull` with its options. */
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
import type { Run } from '../../options/option.ts';
import { addTransferOptions, type TransferValues } from '../../options/transfer-options.ts';

const NOTES = `
Examples:
  cairn pull http://127.0.0.1:7070/photos ~/photos
  cairn pull http://127.0.0.1:7070/inbox/report.pdf .
  cairn pull http://127.0.0.1:7070/src.tar - | tar x
  cairn pull --exclude '*' --include '*/' --include '*.jpg' http://127.0.0.1:7070/photos ~/jpg
  cairn pull --sync close http://127.0.0.1:7070/photos ~/photos
${SELECTION_NOTE}
${SYNC_NOTE}
${COMPRESS_NOTE}
${URL_NOTE}
${TOKEN_NOTE}
${TLS_NOTE}
${EXIT_NOTE}`;

/** Adds `pull`. */
export function addPull(
  program: Command,
  run: Run<[words: readonly string[], values: TransferValues]>,
): void {
  const command = program
    .command('pull')
    .description('fetch a file or a tree')
    .usage('[options] URL DEST')
    .argument('[words...]', 'DEST: file, directory, or - for standard output');
  addNotes(addTransferOptions(command, { isLocal: false }), NOTES).action(run);
}
