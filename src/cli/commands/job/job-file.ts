/** The job file: where it is, whether it may be trusted, and what it says. */
import { statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { refuseExchangeable } from '../../../base/ownership.ts';
import { readIfThere } from '../../../base/read-if-there.ts';
import { printable } from '../../../base/safe-path.ts';
import { configDirectoryOf, type Environment } from '../../access/user-directories.ts';
import { jsonLine } from '../../report/json-line.ts';
import type { Job } from './job.ts';
import { readJobs, type JobMistake, type ReadJobs } from './read-jobs.ts';
import { transferKeys } from './transfer-keys.ts';

/** A job file that was read. */
export interface JobFile extends ReadJobs {
  readonly path: string;
}

const FILE_NAME = 'jobs.toml';
/** Thousands of jobs. */
const MAX_FILE_BYTES = 100_000;

/** Where the jobs of this user are, unless `--file` says so. */
export function usualJobFile(env: Environment): string {
  return join(configDirectoryOf(env), FILE_NAME);
}

/**
 * Reads a job file, whose jobs run as this user.
 *
 * @param program has the options of push and pull
 * @throws CairnError `not-found`; `owner-untrusted` where another user may have written it; `config-invalid` where it
 * is no text of a sensible size; storage codes
 */
export async function readJobFile(path: string, program: Command): Promise<JobFile> {
  const text = await readTrusted(path);
  const keys = {
    push: transferKeys(program, 'push'),
    pull: transferKeys(program, 'pull'),
  };
  return { path, ...(await readJobs(text, (direction) => keys[direction])) };
}

async function readTrusted(path: string): Promise<string> {
  const shown = printable(path);
  const stat = lookAt(path);
  const unusable = (why: string): CairnError =>
    new CairnError('config-invalid', `"${shown}" is not used: ${why}`);
  if (!stat.isFile()) throw unusable('it is not a regular file');
  if (stat.size > MAX_FILE_BYTES) throw unusable(`it has more than ${MAX_FILE_BYTES} bytes`);
  refuseExchangeable(path);
  const bytes = await readIfThere(path);
  if (bytes === undefined) throw missing(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CairnError('config-invalid', `"${shown}" is not used: it is not UTF-8`, { cause: error });
  }
}

function lookAt(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') throw missing(path);
    throw storageError(error, `looking at "${printable(path)}"`);
  }
}

function missing(path: string): CairnError {
  const message = `there is no job file "${printable(path)}"; write one, or name another with --file`;
  return new CairnError('not-found', message);
}

/** `FILE:LINE:COLUMN: message`, as compilers do, so that editors find the place. */
export function mistakeLine(path: string, { line, column, message }: JobMistake): string {
  return `${printable(path)}:${line}:${column}: ${printable(message)}`;
}

/** A mistake as a line for people, `FILE:LINE:COLUMN: message`, or for scripts. */
export function shownMistake(path: string, mistake: JobMistake, json: boolean): string {
  return json ? jsonLine({ type: 'mistake', file: path, ...mistake }) : `${mistakeLine(path, mistake)}\n`;
}

/** The job of a name. @throws CairnError `not-found`, `config-invalid` */
export function jobOf(file: JobFile, name: string): Job {
  const job = file.jobs.find((each) => each.name === name);
  if (job !== undefined) return job;
  throw file.names.includes(name) ? invalidJob(file, name) : unknownJob(file, name);
}

/** The error for the mistakes in the table of a job, or, where no name is given, outside of them. */
export function invalidJob({ path, mistakes }: JobFile, name: string | undefined): CairnError {
  const own = mistakes.filter(({ job }) => job === name);
  const lines = own.map((mistake) => mistakeLine(path, mistake)).join('; ');
  return new CairnError(
    'config-invalid',
    name === undefined ? lines : `the job ${name} cannot run: ${lines}`,
  );
}

/** The error for a name that the file does not have; a mistake outside of the jobs may have hidden it. */
export function unknownJob(file: JobFile, name: string): CairnError {
  const { path, names, mistakes } = file;
  if (mistakes.some(({ job }) => job === undefined)) return invalidJob(file, undefined);
  const known = names.length === 0 ? 'none' : names.join(', ');
  return new CairnError('not-found', `"${printable(path)}" has no job "${printable(name)}"; it has ${known}`);
}
