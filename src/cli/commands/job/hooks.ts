/** The programs that run around the transfer of a job: without a shell, and told how it went by their environment. */
import { spawn } from 'node:child_process';
import { CairnError, systemCodeOf, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { withoutSecrets } from '../../process/child-environment.ts';
import type { Argv } from './job.ts';
import type { RunState } from './run-record.ts';
import type { TransferResult } from './transfer-child.ts';

/** What hooks are told; of a run that has not ended only its name. */
export interface HookFacts {
  readonly job: string;
  readonly ended?: {
    readonly state: RunState;
    readonly exitCode: ExitCode;
    readonly code: string;
    readonly transfer: TransferResult | undefined;
  };
}

/** Standard error of this process: standard output has its results. */
const STDERR = 2;

/**
 * Runs a hook to its end; its standard input is empty. An aborted signal asks it to end.
 *
 * @param which its key in the job file
 * @throws CairnError `job-hook-failed`
 */
export async function runHook(
  which: 'before' | 'after' | 'on-failure',
  [program, ...rest]: Argv,
  facts: HookFacts,
  signal?: AbortSignal,
): Promise<void> {
  const env = { ...withoutSecrets(process.env), ...variablesOf(facts) };
  const failed = (how: string, cause?: unknown): CairnError =>
    new CairnError(
      'job-hook-failed',
      `the hook "${which}" of the job ${facts.job}, "${printable(program)}", ${how}`,
      {
        cause,
      },
    );
  const child = spawn(program, rest, { stdio: ['ignore', STDERR, STDERR], env });
  const stop = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  process.once('exit', stop);
  try {
    await new Promise<void>((done, fail) => {
      child.once('error', (error) =>
        fail(failed(`could not be started (${systemCodeOf(error) ?? error.message})`, error)),
      );
      child.once('close', (status, by) => {
        if (status === 0) done();
        else fail(failed(status === null ? `was killed by ${by}` : `ended with exit code ${status}`));
      });
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    process.off('exit', stop);
  }
}

/** The variables `CAIRN_JOB_…` of this job; one that it does not set is removed, as an outer job may have set it. */
function variablesOf({ job, ended }: HookFacts): NodeJS.ProcessEnv {
  const summary = ended?.transfer?.summary;
  const text = (value: number | string | undefined): string | undefined =>
    value === undefined ? undefined : String(value);
  return {
    CAIRN_JOB_NAME: job,
    // People ask whether it worked: a run that was asked to end did not.
    CAIRN_JOB_STATE: ended?.state === 'interrupted' ? 'failed' : ended?.state,
    CAIRN_JOB_EXIT_CODE: text(ended?.exitCode),
    CAIRN_JOB_CODE: ended?.code,
    CAIRN_JOB_ENTRIES: text(summary?.entries),
    CAIRN_JOB_CHANGED: text(summary?.changed),
    CAIRN_JOB_LEFT_OUT: text(summary?.excluded),
    CAIRN_JOB_BYTES_TOTAL: text(summary?.bytesTotal),
    CAIRN_JOB_BYTES_MOVED: text(summary?.bytesMoved),
    CAIRN_JOB_BYTES_SKIPPED: text(summary?.bytesSkipped),
    CAIRN_JOB_BYTES_RESUMED: text(summary?.bytesResumed),
    CAIRN_JOB_DURATION_MS: text(summary?.durationMs),
  };
}
