/** `cairn job` with its subcommands and their options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { addJson } from '../../options/client-options.ts';
import { parseCount } from '../../options/quantities.ts';
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

const TIMER = ofThisCommand({
  at: value(
    '--at <when>',
    'when it starts: 02:15 (default), "Mon..Fri 22:00", "Sat,Sun 4:30", hourly or hourly:20',
    async (option, word) => (await import('./schedule.ts')).parseSchedule(option, word),
  ),
  cron: flag('--cron', 'print a line for cron instead of units for systemd'),
  out: value('--out <dir>', 'write the units into this directory', (_option, word) => absolutePath(word)),
});
const HISTORY = ofThisCommand({
  number: value('-n, --number <n>', 'so many of the newest runs (default: 20)', (option, word) =>
    parseCount(option, word, { min: 1, max: 100_000 }),
  ),
});

/** What a user says of `job check` and `job list`. */
export type JobFileValues = ValuesOf<typeof FILE> & { readonly json: boolean };

/** What a user says of `job run`. */
export type RunValues = JobFileValues & ValuesOf<typeof RUN & typeof SHOWN>;

/** What a user says of `job timer`. */
export type TimerValues = ValuesOf<typeof FILE & typeof TIMER>;
/** What a user says of `job history`. */
export type HistoryValues = ValuesOf<typeof HISTORY> & { readonly json: boolean };

/** What runs each subcommand. */
interface JobRuns {
  readonly run: Run<[names: readonly string[], values: RunValues]>;
  readonly status: Run<[names: readonly string[], values: JobFileValues]>;
  readonly history: Run<[name: string, values: HistoryValues]>;
  readonly timer: Run<[name: string, values: TimerValues]>;
  readonly check: Run<[values: JobFileValues]>;
  readonly list: Run<[values: JobFileValues]>;
}

const NOTES = `
Examples:
  cairn job check            say what is wrong in the job file, with line and column
  cairn job run home         run the job "home"; run again, it resumes
  cairn job run --all
  cairn job status           the last run of each job, its last success, and what to do
  cairn job history home
  cairn job timer home --at 02:15 --out ~/.config/systemd/user

A job file, ~/.config/cairn/jobs.toml:

  [job.home]
  source = ["/home/u"]
  to = "https://backup.example/laptop"
  token-file = "~/.config/cairn/token"

Each option of push and pull can stand in a job, by its name. A job that runs already ends a second run with exit code 8. The
exit code is that of the transfer; 12 where a hook failed; with --all the worst one: 3 is the mildest, of others the larger.`;

/** Adds `job run|list|check|status|history|timer`. */
export function addJob(program: Command, runs: JobRuns): void {
  const job = addNotes(program.command('job'), NOTES).description(
    'run, list and check transfers that are described in a file, and look back at their runs',
  );
  const subcommand = (name: string): Command => addOptions(addJson(job.command(name)), GROUPS.what, FILE);
  addOptions(addOptions(subcommand('run'), GROUPS.what, RUN), GROUPS.output, SHOWN)
    .description('run jobs')
    .argument('[names...]')
    .action(runs.run);
  subcommand('check').description('say what is wrong in the job file').action(runs.check);
  subcommand('list').description('list the jobs of the file').action(runs.list);
  subcommand('status')
    .description('print the last run and the last success of each job; exit code 0 where all is well')
    .argument('[names...]')
    .action(runs.status);
  addOptions(addJson(job.command('history')), GROUPS.output, HISTORY)
    .description('list the runs of a job')
    .argument('<name>')
    .action(runs.history);
  addOptions(addOptions(job.command('timer'), GROUPS.what, FILE), GROUPS.what, TIMER)
    .description('print a service and a timer for systemd, or a line for cron, that start a job')
    .argument('<name>')
    .action(runs.timer);
}
