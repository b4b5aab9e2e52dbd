/** `cairn job run`: one job, some of them, or all, one after the other in the order of the file. */
import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { openStateHome } from '../../access/user-directories.ts';
import { usage } from '../../options/usage.ts';
import { childExitCode, GENERAL, worstOf } from '../../process/child-exit.ts';
import { tell } from '../../process/edge.ts';
import { failureOf } from '../../process/failure.ts';
import { watchHangup, watchSignals } from '../../process/interruption.ts';
import { printAside } from '../../process/output.ts';
import { ownProgram } from '../../process/own-command.ts';
import { jsonLine } from '../../report/json-line.ts';
import type { RunValues } from './job-command.ts';
import { invalidJob, mistakeLine, readJobFile, unknownJob, usualJobFile, type JobFile } from './job-file.ts';
import { transferWords, type Job } from './job.ts';
import { recordRefusal, runJob, type RunOptions } from './one-run.ts';
import { openRunScreen } from './run-screen.ts';

/** How a job ended. */
interface Ended {
  readonly exitCode: ExitCode;
  readonly code: string;
}

/** `cairn job run NAME... | --all`; answers the worst exit code. */
export function runJobsOf(
  program: Command,
): (names: readonly string[], values: RunValues) => Promise<ExitCode> {
  return async (names, values) => {
    if (values.all ? names.length > 0 : names.length === 0)
      throw usage('job run takes the names of jobs, or --all', 'cairn job run home');
    const file = await readJobFile(values.file ?? usualJobFile(process.env), program);
    const chosen = choose(file, values.all ? file.names : [...new Set(names)]);
    const interruption = watchSignals(() => undefined);
    const letHangup = watchHangup(interruption);
    try {
      const options = {
        stateHome: await openStateHome(),
        signal: interruption.signal,
        screen: openRunScreen(values),
        textfile: values.textfile,
      };
      const ends: Ended[] = [];
      for (const name of chosen) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other, or they would share the link
        ends.push(await (values.dryRun ? tryJob(file, name, options) : runOne(file, name, options)));
        if (interruption.signal.aborted) break;
      }
      return sayEnd(file, ends, values);
    } finally {
      letHangup();
      interruption.dispose();
    }
  };
}

/** @throws CairnError `not-found` for a name that is not in the file; `config-invalid` where that cannot be known */
function choose(file: JobFile, names: readonly string[]): readonly string[] {
  const unknown = names.find((name) => !file.names.includes(name));
  if (unknown !== undefined) throw unknownJob(file, unknown);
  if (names.length === 0 && file.mistakes.length > 0) throw invalidJob(file, undefined);
  return names;
}

async function runOne(file: JobFile, name: string, options: RunOptions): Promise<Ended> {
  try {
    const job = file.jobs.find((each) => each.name === name);
    if (job !== undefined) return await runJob(job, options);
    const error = invalidJob(file, name);
    await recordRefusal(name, error, options.stateHome);
    throw error;
  } catch (error) {
    // The next job runs all the same.
    const failure = failureOf(error);
    tell(failure);
    return failure;
  }
}

/** Prints what the transfer of a job would do; neither its hooks run nor its monitor is told. */
async function tryJob(file: JobFile, name: string, { signal }: RunOptions): Promise<Ended> {
  const job = file.jobs.find((each) => each.name === name);
  if (job === undefined) {
    const failure = failureOf(invalidJob(file, name));
    tell(failure);
    return failure;
  }
  const exitCode = await dryRun(job, signal);
  return { exitCode, code: GENERAL[exitCode] };
}

function dryRun(job: Job, signal: AbortSignal): Promise<ExitCode> {
  const [program, ...script] = ownProgram();
  const words = transferWords(job, ['--dry-run', '--no-progress']);
  const child = spawn(program, [...script, ...words], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (status, by) => done(childExitCode(status, by)));
  });
}

function sayEnd(file: JobFile, ends: readonly Ended[], { json, all }: RunValues): ExitCode {
  const ofFile = file.mistakes.filter(({ job }) => job === undefined);
  // A mistake outside of the jobs may be the one that hides a job.
  const exitCode = worstOf([
    ...ends.map((end) => end.exitCode),
    ...(all && ofFile.length > 0 ? [EXIT.usage] : []),
  ]);
  for (const mistake of ofFile) process.stderr.write(`${mistakeLine(file.path, mistake)}\n`);
  const [only] = ends;
  const code = ends.length === 1 && only?.exitCode === exitCode ? only.code : GENERAL[exitCode];
  if (json) printAside(jsonLine({ type: 'summary', jobs: ends.length, code, exitCode }));
  return exitCode;
}
