/** The steps of a run: what the job requires, the hook before, the transfer, the hook after. */
import { lstat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError, EXIT, storageError, systemCodeOf, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { tell } from '../../process/edge.ts';
import { failureOf } from '../../process/failure.ts';
import { runHook } from './hooks.ts';
import { transferWords, type Job } from './job.ts';
import type { RunState } from './run-record.ts';
import { runTransferChild, type JsonLine, type TransferResult } from './transfer-child.ts';

/** How the steps of a run went. */
export interface Outcome {
  readonly state: RunState;
  readonly exitCode: ExitCode;
  /** `ok`, or a code of the error table. */
  readonly code: string;
  readonly message: string | undefined;
  readonly transfer: TransferResult | undefined;
}

/** What the steps of a run use. */
export interface StepOptions {
  readonly signal: AbortSignal;
  /** Whether the last run was killed: its transfer may need a moment to end. */
  readonly wasKilled: boolean;
  readonly onLine: (line: JsonLine) => void;
  /** Called once the job has what it requires. */
  readonly onStart: () => void;
}

/** The transfer of a killed run notices at once that it is alone, and then writes a checkpoint. */
const WAIT_FOR_KILLED = { tries: 40, pauseMs: 250 };

/** Takes the steps of a run. A failure is shown to people and becomes the outcome. */
export async function takeSteps(job: Job, options: StepOptions): Promise<Outcome> {
  try {
    await refuseMissing(job);
  } catch (error) {
    return failed(error);
  }
  options.onStart();
  const outcome = await beforeAndTransfer(job, options);
  if (job.after === undefined) return outcome;
  try {
    await runHook('after', job.after, { job: job.name, ended: outcome });
    return outcome;
  } catch (error) {
    const ofHook = failed(error);
    // What went wrong before it counts for more.
    return outcome.state === 'ok' || outcome.state === 'partial'
      ? { ...ofHook, transfer: outcome.transfer }
      : outcome;
  }
}

async function beforeAndTransfer(job: Job, options: StepOptions): Promise<Outcome> {
  try {
    if (job.before !== undefined) await runHook('before', job.before, { job: job.name }, options.signal);
    options.signal.throwIfAborted();
    return outcomeOf(await transferOf(job, options), job);
  } catch (error) {
    return failed(options.signal.aborted ? options.signal.reason : error);
  }
}

async function refuseMissing({ name, require }: Job): Promise<void> {
  for (const path of require) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the first that is missing is told
      await lstat(path);
    } catch (error) {
      const shown = printable(path);
      if (!['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? ''))
        throw storageError(error, `looking at "${shown}", which the job ${name} requires`);
      const message = `"${shown}" is missing, which the job ${name} requires: nothing was done; is a disk not mounted?`;
      throw new CairnError('source-missing', message, { cause: error });
    }
  }
}

async function transferOf(job: Job, { signal, wasKilled, onLine }: StepOptions): Promise<TransferResult> {
  const words = transferWords(job, ['--json']);
  for (let tries = WAIT_FOR_KILLED.tries; ; tries -= 1) {
    // oxlint-disable-next-line no-await-in-loop -- one try after the other
    const result = await runTransferChild(words, { signal, onLine });
    const isHeld = result.code === 'transfer-locked' && wasKilled;
    if (!isHeld || tries === 0 || signal.aborted) return result;
    // oxlint-disable-next-line no-await-in-loop -- see above
    await sleep(WAIT_FOR_KILLED.pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

function outcomeOf(transfer: TransferResult, { partialIsOkUpTo }: Job): Outcome {
  const { exitCode, code, message, summary } = transfer;
  const isTolerated =
    exitCode === EXIT.partial && summary !== undefined && summary.excluded <= partialIsOkUpTo;
  return { state: stateOf(exitCode), exitCode: isTolerated ? EXIT.done : exitCode, code, message, transfer };
}

/** How a run with this exit code ended. */
function stateOf(exitCode: ExitCode): RunState {
  if (exitCode === EXIT.done) return 'ok';
  if (exitCode === EXIT.partial) return 'partial';
  return exitCode === EXIT.interrupted || exitCode === EXIT.terminated ? 'interrupted' : 'failed';
}

/** The outcome of what went wrong here and not in the transfer, which tells people itself. */
function failed(error: unknown): Outcome {
  const failure = failureOf(error);
  tell(failure);
  const { exitCode, code, message } = failure;
  return { state: stateOf(exitCode), exitCode, code, message, transfer: undefined };
}
