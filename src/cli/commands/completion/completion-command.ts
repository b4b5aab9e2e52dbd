/** `cairn completion`, with what its scripts ask. */
import { Argument, type Command } from 'commander';
import type { Run } from '../../options/option.ts';
import { addNotes } from '../../help/notes.ts';

/** Shells that are known. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The hidden command that answers the shells; any of its words may be empty. */
export const COMPLETE = 'complete';

/** What runs each of them. */
interface CompletionRuns {
  readonly script: Run<[shell: (typeof SHELLS)[number]]>;
  readonly complete: Run<[words: readonly string[]]>;
}

const NOTES = `
Examples:
  source <(cairn completion bash)          in ~/.bashrc
  source <(cairn completion zsh)           in ~/.zshrc, after compinit
  cairn completion fish > ~/.config/fish/completions/cairn.fish

The shell then completes commands, options, fixed values, names of files, ids of transfers and names of jobs.`;

/** Adds both. */
export function addCompletion(program: Command, runs: CompletionRuns): void {
  addNotes(program.command('completion'), NOTES)
    .description('print the script that lets a shell complete commands, options and their values')
    .addArgument(new Argument('<shell>', SHELLS.join(', ')).choices(SHELLS))
    .action(runs.script);
  program.command(COMPLETE, { hidden: true }).argument('[words...]').action(runs.complete);
}
