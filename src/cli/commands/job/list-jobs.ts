/** `cairn job list`: the jobs of a file. */
import type { Command } from 'commander';
import { ERROR_TABLE, EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { shellCommand } from '../../../base/shell.ts';
import { print } from '../../process/output.ts';
import { doneLine, jsonLine } from '../../report/json-line.ts';
import { alignColumns } from '../../report/table.ts';
import type { JobFileValues } from './job-command.ts';
import { readJobFile, shownMistake, usualJobFile } from './job-file.ts';
import type { Job } from './job.ts';

const HEADINGS = ['NAME', 'WHAT', 'FROM', 'TO'];

/** `cairn job list`: the jobs without a mistake, which can run whatever is wrong with others; exit code 2 tells of those. */
export function listJobsOf(program: Command): (values: JobFileValues) => Promise<ExitCode> {
  return async ({ file, json }) => {
    const { path, jobs, mistakes } = await readJobFile(file ?? usualJobFile(process.env), program);
    const shown = mistakes.map((mistake) => shownMistake(path, mistake, json));
    const isRight = mistakes.length === 0;
    const { exitCode } = ERROR_TABLE['config-invalid'];
    if (json) {
      const counts = { jobs: jobs.length, mistakes: mistakes.length };
      const end = isRight
        ? doneLine(counts)
        : jsonLine({ type: 'summary', ...counts, code: 'config-invalid', exitCode });
      print([...jobs.map((job) => jsonLine(jobObject(job))), ...shown, end].join(''));
    } else {
      print(jobTable(jobs).join(''));
      for (const line of shown) process.stderr.write(line);
    }
    return isRight ? EXIT.done : exitCode;
  };
}

function jobTable(jobs: readonly Job[]): string[] {
  if (jobs.length === 0) return ['no jobs\n'];
  const rows = jobs.map((job) => [job.name, job.direction, originText(job), printable(job.to)]);
  return alignColumns([HEADINGS, ...rows], { flexible: ['FROM', 'TO'] });
}

/** Paths as they are, a command as a shell would be given it. */
function originText({ from, words }: Job): string {
  return words[0] === '--from-command' ? shellCommand(from) : from.map(printable).join(' ');
}

function jobObject({ name, direction, from, to, options }: Job): Record<string, unknown> {
  return { type: 'job', job: name, direction, from, to, options };
}
