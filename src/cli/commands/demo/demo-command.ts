/** `cairn demo`. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import type { Run } from '../../options/option.ts';

const NOTES = `
Examples:
  cairn demo               about 210 MiB of made-up files
  cairn demo ~/photos      your own files, which are only read

The demo starts real processes on this machine: a server, a push through a proxy that cuts the connections, a client and a
server that it kills, a pull back, and a comparison byte for byte. It leaves nothing behind. Exit 0: everything agreed.`;

/** Adds `demo`. */
export function addDemo(program: Command, run: Run<[path: string | undefined]>): void {
  addNotes(program.command('demo'), NOTES)
    .description('quick start: run a transfer with cuts and kills, and prove that nothing was lost')
    .argument('[path]', 'your own file or directory, which is only read')
    .action(run);
}
