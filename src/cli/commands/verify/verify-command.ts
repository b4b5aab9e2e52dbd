/** `cairn verify` with its options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { SELECTION_NOTE, TLS_NOTE, TOKEN_NOTE, URL_NOTE } from '../../help/shared-notes.ts';
import { addClientOptions, USUAL_RETRY_FOR, type ClientValues } from '../../options/client-options.ts';
import type { Run } from '../../options/option.ts';
import { addSelectionOptions, type SelectionValues } from '../../options/selection-options.ts';

/** What a user says of a comparison. */
export type VerifyValues = ClientValues & SelectionValues;

const NOTES = `
Examples:
  cairn verify ~/photos http://127.0.0.1:7070/photos

Exit 0: contents, types, sizes and link targets agree; modes and times that differ are named, and do not count. Exit 3: some
entries could not be read, the others agree. Exit 7: something differs.
${SELECTION_NOTE}
Rules of .cairnignore files in the local tree hold for both sides.
${URL_NOTE}
${TOKEN_NOTE}
${TLS_NOTE}`;

/** Adds `verify`. */
export function addVerify(
  program: Command,
  run: Run<[local: string, url: string, values: VerifyValues]>,
): void {
  const command = program
    .command('verify')
    .description('read both sides again and compare them')
    .argument('<local>')
    .argument('<url>');
  addClientOptions(addSelectionOptions(command, { isLocal: true }), USUAL_RETRY_FOR);
  addNotes(command, NOTES).action(run);
}
