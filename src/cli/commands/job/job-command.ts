/** `cairn job` with its subcommands and their options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { addJson } from '../../options/client-options.ts';
import {
  addOptions,
  file,
  flag,
  GROUPS,
  ofThisCommand,
  value,
  type Run,
  type ValuesOf,
} from '../../options/option.ts';
import { absolutePath } from '../../process/own-command.ts';

const FILE = ofThisCommand({
  file: file('--file <file>', 'the job file (default: jobs.toml in ~/.config/cairn)'),
});

const RUN = ofThisCommand({
  all: flag('--all', 'run every job, one after the other'),
  dryRun: flag('-n, --dry-run', 'print what the transfer would do, and change nothing'),
  textfile: value('--textfile <dir>', 'write metrics for Prometheus into this directory', (_option, word) =>
    absolutePath(word),
  ),
});
const SHOWN = {
  quiet: flag('-q, --quiet', 'print nothing but errors and the entries that were left out'),
  progress: flag('--no-progress', 'print no progress, only the result'),
};

/** What a user says of `job check` and `job list`. */
export type JobFileValues = ValuesOf<typeof FILE> & { readonly json: boolean };

/** What a user says of `job run`. */
export type RunValues = JobFileValues & ValuesOf<typeof RUN & typeof SHOWN>;

/** What runs each subcommand. */
interface JobRuns {
  readonly run: Run<[names: readonly string[], values: RunValues]>;
  readonly check: Run<[values: JobFileValues]>;
  readonly list: Run<[values: JobFileValues]>;
}

const NOTES = `
Examples:
  cairn job check            say what is wrong in the job file, with line and column
  cairn job run home         run the job "home"; run again, it resumes
  cairn job run --all

A job file, ~/.config/cairn/jobs.toml:

  [job.home]
  source = ["/home/u"]
  to = "https://backup.example/laptop"
  token-file = "~/.config/cairn/token"

Each option of push and pull can stand in a job, by its name. A job that runs already ends a second run with exit code 8. The
exit code is that of the transfer; 12 where a hook failed; with --all the worst one: 3 is the mildest, of others the larger.`;

/** Adds `job run|list|check`. */
export function addJob(program: Command, runs: JobRuns): void {
  const job = addNotes(program.command('job'), NOTES).description(
    'run, check and list transfers that are described in a file',
  );
  const subcommand = (name: string): Command => addOptions(addJson(job.command(name)), GROUPS.what, FILE);
  addOptions(addOptions(subcommand('run'), GROUPS.what, RUN), GROUPS.output, SHOWN)
    .description('run jobs')
    .argument('[names...]')
    .action(runs.run);
  subcommand('check').description('say what is wrong in the job file').action(runs.check);
  subcommand('list').description('list the jobs of the file').action(runs.list);
}
