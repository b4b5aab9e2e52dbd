/** `cairn job` with its subcommands and their options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { addJson } from '../../options/client-options.ts';
import { addOptions, file, GROUPS, ofThisCommand, type Run, type ValuesOf } from '../../options/option.ts';

const FILE = ofThisCommand({
  file: file('--file <file>', 'the job file (default: jobs.toml in ~/.config/cairn)'),
});

/** What a user says of `job check` and `job list`. */
export type JobFileValues = ValuesOf<typeof FILE> & { readonly json: boolean };

/** What runs each subcommand. */
interface JobRuns {
  readonly check: Run<[values: JobFileValues]>;
  readonly list: Run<[values: JobFileValues]>;
}

const NOTES = `
Examples:
  cairn job check            say what is wrong in the job file, with line and column
  cairn job list

A job file, ~/.config/cairn/jobs.toml:

  [job.home]
  source = ["/home/u"]
  to = "https://backup.example/laptop"
  token-file = "~/.config/cairn/token"

Each option of push and pull can stand in a job, by its name.`;

/** Adds `job check|list`. */
export function addJob(program: Command, runs: JobRuns): void {
  const job = addNotes(program.command('job'), NOTES).description(
    'check and list transfers that are described in a file',
  );
  const subcommand = (name: string): Command => addOptions(addJson(job.command(name)), GROUPS.what, FILE);
  subcommand('check').description('say what is wrong in the job file').action(runs.check);
  subcommand('list').description('list the jobs of the file').action(runs.list);
}
