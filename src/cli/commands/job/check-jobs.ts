/** `cairn job check`: what is wrong in a job file. It loads little, since editors and scripts run it often. */
import type { Command } from 'commander';
import { CairnError, ERROR_TABLE, EXIT, type ErrorCode, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { print } from '../../process/output.ts';
import { doneLine, jsonLine } from '../../report/json-line.ts';
import { formatCount } from '../../report/wording.ts';
import type { JobFileValues } from './job-command.ts';
import { readJobFile, shownMistake, usualJobFile, type JobFile } from './job-file.ts';
import type { Job } from './job.ts';
import type { JobMistake } from './read-jobs.ts';

const INVALID: ErrorCode = 'config-invalid';

/** `cairn job check`: a line for each mistake, and exit code 2 where there is one. */
export function checkJobsOf(program: Command): (values: JobFileValues) => Promise<ExitCode> {
  return async ({ file, json }) => {
    const read = await readJobFile(file ?? usualJobFile(process.env), program);
    const mistakes = [...read.mistakes, ...(await unusableTokens(read.jobs))];
    print(mistakes.map((mistake) => shownMistake(read.path, mistake, json)).join(''));
    return sayEnd({ ...read, mistakes }, json);
  };
}

/** Files with tokens that would be refused when the job runs. */
async function unusableTokens(jobs: readonly Job[]): Promise<JobMistake[]> {
  const mistakes: JobMistake[] = [];
  for (const { name, tokenFile } of jobs) {
    if (tokenFile === undefined) continue;
    const { path, ...place } = tokenFile;
    try {
      // oxlint-disable-next-line no-await-in-loop -- few files, and small ones
      const { readTokenFile } = await import('../../access/client-token.ts');
      // oxlint-disable-next-line no-await-in-loop -- see above
      await readTokenFile(path);
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      mistakes.push({ ...place, message: error.message, job: name });
    }
  }
  return mistakes;
}

function sayEnd({ path, names, mistakes }: JobFile, json: boolean): ExitCode {
  const counts = { jobs: names.length, mistakes: mistakes.length };
  if (mistakes.length === 0) {
    if (json) print(doneLine(counts));
    else print(`${printable(path)}: ${countText(names.length, 'job')}, no mistake\n`);
    return EXIT.done;
  }
  const { exitCode } = ERROR_TABLE[INVALID];
  if (json) print(jsonLine({ type: 'summary', ...counts, code: INVALID, exitCode }));
  else process.stderr.write(`cairn: ${countText(mistakes.length, 'mistake')} in "${printable(path)}"\n`);
  return exitCode;
}

function countText(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
}
