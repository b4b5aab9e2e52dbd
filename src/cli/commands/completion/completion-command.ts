/** `cairn completion`, with what its scripts ask. */
import type { Command } from 'commander';
import { Argument } from 'commander';
import type { Done } from '../../options/done.ts';
import { COMPLETION_HELP } from '../../help/shared-notes.ts';
import { addNotes } from '../../help/notes.ts';
import { SHELLS } from './scripts.ts';

/** The hidden command that answers the shells; any of its words may be empty. */
export const COMPLETE = 'complete';

/** Adds both. */
export function addCompletion(program: Command, done: Done): void {
  addNotes(program.command('completion'), COMPLETION_HELP)
    .description('print the script that lets a shell complete commands, options and their values')
    .addArgument(new Argument('<shell>', SHELLS.join(', ')).choices(SHELLS))
    .action(async (shell) => done(await (await import('./run-completion.ts')).runCompletion(shell)));
  program
    .command(COMPLETE, { hidden: true })
    .argument('[words...]')
    .action(async (words) => done(await (await import('./run-completion.ts')).runComplete(program, words)));
}
