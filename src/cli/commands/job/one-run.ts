/** One run of a job: its lock, its record, its steps, and who is told of its end. */
import { randomBytes } from 'node:crypto';
import { CairnError, EXIT, type ExitCode } from '../../../base/errors.ts';
import { acquireProcessLock, type ProcessLock } from '../../../base/process-lock.ts';
import { tell } from '../../process/edge.ts';
import { failureOf } from '../../process/failure.ts';
import { runHook } from './hooks.ts';
import type { Job } from './job.ts';
import { takeSteps, type Outcome } from './job-steps.ts';
import { writeLastRun, writeMetrics } from './last-run.ts';
import { ping } from './ping.ts';
import { appendRunLine, endKilledRun, jobPaths, readRuns } from './run-history.ts';
import type { RunEnd, RunStart } from './run-record.ts';
import type { RunScreen } from './run-screen.ts';

/** What a run uses. */
export interface RunOptions {
  readonly stateHome: string;
  readonly signal: AbortSignal;
  readonly screen: RunScreen;
  /** The directory for metrics; the one of the job, where undefined. */
  readonly textfile: string | undefined;
}

/** Long enough for no two runs of a job to share it. */
const ID_BYTES = 8;

/**
 * Runs a job; answers its exit code and error code.
 *
 * @throws CairnError `job-running` where it runs already; storage codes where its beginning cannot be recorded
 */
export async function runJob(
  job: Job,
  options: RunOptions,
): Promise<Pick<RunEnd, 'code'> & { exitCode: ExitCode }> {
  const { stateHome, signal, screen } = options;
  const { lock: lockPath, history } = jobPaths(stateHome, job.name);
  const lock = await lockJob(job.name, lockPath);
  try {
    const killed = await endKilledRun(history);
    const begun = await begin(job.name, stateHome);
    screen.begin(job);
    if (killed !== undefined)
      screen.notice(job.name, 'the last run was killed; this one goes on where it stopped');
    let told: Promise<void> = Promise.resolve();
    const outcome = await takeSteps(job, {
      signal,
      wasKilled: killed !== undefined,
      onLine: (line) => screen.line(job.name, line),
      // Told beside the work, which it does not delay.
      onStart: () => {
        told = tellMonitor(job, 'start', screen);
      },
    });
    const end = endOf(begun, outcome);
    const recordCode = await record(job, end, options);
    screen.end(job.name, end);
    await told;
    await tellMonitor(job, String(outcome.exitCode), screen);
    await tellOfFailure(job, outcome);
    return { code: end.code, exitCode: outcome.exitCode === EXIT.done ? recordCode : outcome.exitCode };
  } finally {
    await lock.release();
  }
}

/** Records that a job could not run, so that its status tells of it. @throws as {@link runJob} does */
export async function recordRefusal(name: string, error: CairnError, stateHome: string): Promise<void> {
  const { lock: lockPath, history, last } = jobPaths(stateHome, name);
  const lock = await lockJob(name, lockPath);
  try {
    await endKilledRun(history);
    const begun = await begin(name, stateHome);
    const { code, message, traits } = error;
    const outcome = {
      state: 'failed',
      exitCode: traits.exitCode,
      code,
      message,
      transfer: undefined,
    } as const;
    await appendRunLine(history, endOf(begun, outcome));
    await writeLastRun(last, name, await readRuns(history));
  } finally {
    await lock.release();
  }
}

async function lockJob(name: string, path: string): Promise<ProcessLock> {
  try {
    return await acquireProcessLock(path);
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'transfer-locked') throw error;
    const { pid } = error.details;
    const who = pid === undefined ? '' : ` (process ${String(pid)})`;
    throw new CairnError(
      'job-running',
      `the job ${name} runs already${who}; it goes on, and this run did nothing`,
      {
        cause: error,
        details: error.details,
      },
    );
  }
}

interface Begun {
  readonly start: RunStart;
  /** On a clock that never goes back, in milliseconds. */
  readonly at: number;
}

async function begin(name: string, stateHome: string): Promise<Begun> {
  const { history, last } = jobPaths(stateHome, name);
  const start: RunStart = {
    type: 'start',
    run: randomBytes(ID_BYTES).toString('hex'),
    startedAt: new Date().toISOString(),
    pid: process.pid,
  };
  await appendRunLine(history, start);
  await writeLastRun(last, name, await readRuns(history));
  return { start, at: performance.now() };
}

function endOf({ start, at }: Begun, { state, exitCode, code, message, transfer }: Outcome): RunEnd {
  return {
    type: 'end',
    run: start.run,
    startedAt: start.startedAt,
    endedAt: new Date().toISOString(),
    durationMs: Math.round(performance.now() - at),
    state,
    exitCode,
    code,
    ...(message === undefined ? {} : { message }),
    ...(transfer?.summary === undefined ? {} : { transfer: transfer.summary }),
    leftOut: [...(transfer?.leftOut ?? [])],
  };
}

/** Writes the end of a run. What cannot be written is told, and is the exit code of a run that is right but for that. */
async function record(job: Job, end: RunEnd, { stateHome, textfile, screen }: RunOptions): Promise<ExitCode> {
  const { history, last } = jobPaths(stateHome, job.name);
  try {
    await appendRunLine(history, end);
    const runs = await readRuns(history);
    await writeLastRun(last, job.name, runs);
    const directory = textfile ?? job.textfile;
    if (directory !== undefined)
      await writeMetrics(directory, job.name, runs).catch((error: unknown) =>
        screen.notice(job.name, `the metrics were not written: ${failureOf(error).message}`),
      );
    return EXIT.done;
  } catch (error) {
    const failure = failureOf(error);
    tell(failure);
    return failure.exitCode;
  }
}

async function tellMonitor(job: Job, what: string, screen: RunScreen): Promise<void> {
  if (job.ping === undefined) return;
  const why = await ping(job.ping, what);
  if (why !== undefined) screen.notice(job.name, `the monitor ${job.ping.host} was not told: ${why}`);
}

async function tellOfFailure(job: Job, outcome: Outcome): Promise<void> {
  if (job.onFailure === undefined || outcome.exitCode === EXIT.done) return;
  try {
    await runHook('on-failure', job.onFailure, { job: job.name, ended: outcome });
  } catch (error) {
    tell(failureOf(error));
  }
}
