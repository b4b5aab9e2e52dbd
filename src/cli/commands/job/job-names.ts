/** The names of the jobs in a job file, for shells that complete them. */
import type { Command } from 'commander';
import { readJobFile, usualJobFile } from './job-file.ts';
import { atHome } from './job-keys.ts';

/** A name, and what its job does: empty where its table has a mistake. */
interface NamedJob {
  readonly word: string;
  readonly description: string;
}

/**
 * The jobs of a file, in its order; `given` is the word of `--file`, which no shell has expanded.
 *
 * @throws CairnError like `readJobFile`
 */
export async function jobNames(program: Command, given: string | undefined): Promise<readonly NamedJob[]> {
  const path = given === undefined ? usualJobFile(process.env) : atHome(given);
  const { names, jobs } = await readJobFile(path, program);
  return names.map((word) => {
    const job = jobs.find(({ name }) => name === word);
    return { word, description: job === undefined ? '' : `${job.direction} to ${job.to}` };
  });
}
