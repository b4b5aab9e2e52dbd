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
