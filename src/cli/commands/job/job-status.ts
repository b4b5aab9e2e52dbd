/** `cairn job status`: whether the last run of each job was a success, and young enough. */
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { formatBytes } from '../../../base/byte-text.ts';
import { momentText } from '../../../base/moment-text.ts';
import { openStateHome } from '../../access/user-directories.ts';
import { GENERAL, worstOf } from '../../process/child-exit.ts';
import { shownCommand } from '../../process/own-command.ts';
import { print } from '../../process/output.ts';
import { jsonLine } from '../../report/json-line.ts';
import { alignColumns } from '../../report/table.ts';
import { formatCount, formatDuration } from '../../report/wording.ts';
import type { JobFileValues } from './job-command.ts';
import { readJobFile, unknownJob, usualJobFile } from './job-file.ts';
import { runsOfJob } from './job-history.ts';
import { lastRunObject, lastSuccess } from './last-run.ts';
import type { Run } from './run-record.ts';

/** What is to be said of a job. */
export interface Verdict {
  readonly state: 'never' | 'running' | 'ok' | 'partial' | 'failed' | 'interrupted' | 'overdue';
  /** 0 where all is well. */
  readonly exitCode: number;
  /** Since the end of the last success, in milliseconds; undefined where there was none. */
  readonly ageMs: number | undefined;
  /** What to run next, as the words of a command line; undefined where nothing is to be done. */
  readonly next: readonly string[] | undefined;
}

interface JobStatus extends Verdict {
  readonly job: string;
  readonly runs: readonly Run[];
}

const HEADINGS = ['NAME', 'STATE', 'LAST RUN', 'TOOK', 'NEW', 'MOVED', 'LEFT OUT', 'LAST SUCCESS', 'NEXT'];

/** `cairn job status [NAME...]`; answers the worst of what is to be said. */
export function jobStatusOf(
  program: Command,
): (names: readonly string[], values: JobFileValues) => Promise<ExitCode> {
  return async (names, { file: path, json }) => {
    const file = await readJobFile(path ?? usualJobFile(process.env), program);
    const stateHome = await openStateHome();
    const all: JobStatus[] = [];
    for (const job of names.length > 0 ? names : file.names) {
      // oxlint-disable-next-line no-await-in-loop -- few files, and small ones
      const runs = await runsOfJob(stateHome, job);
      if (runs.length === 0 && !file.names.includes(job)) throw unknownJob(file, job);
      const overdueAfterMs = file.jobs.find(({ name }) => name === job)?.overdueAfterMs;
      all.push({ job, runs, ...judge(job, runs, { overdueAfterMs, nowMs: Date.now() }) });
    }
    const exitCode = worstOf(all.map((each) => each.exitCode as ExitCode));
    if (json) {
      const end = { type: 'summary', jobs: all.length, code: GENERAL[exitCode], exitCode };
      print([...all.map(statusObject), end].map(jsonLine).join(''));
    } else print(statusTable(all).join(''));
    return exitCode;
  };
}

/** What is to be said of a job with these runs, the oldest first. */
export function judge(
  job: string,
  runs: readonly Run[],
  { overdueAfterMs, nowMs }: { readonly overdueAfterMs: number | undefined; readonly nowMs: number },
): Verdict {
  const last = runs.at(-1);
  const endedAt = lastSuccess(runs)?.end?.endedAt;
  const ageMs = typeof endedAt === 'string' ? Math.max(0, nowMs - Date.parse(endedAt)) : undefined;
  const isOverdue = overdueAfterMs !== undefined && (ageMs === undefined || ageMs > overdueAfterMs);
  const run = ['cairn', 'job', 'run', job];
  if (last === undefined)
    return { state: 'never', exitCode: isOverdue ? EXIT.jobOverdue : EXIT.done, ageMs, next: run };
  const { end } = last;
  if (end === undefined)
    return { state: 'running', exitCode: isOverdue ? EXIT.jobOverdue : EXIT.done, ageMs, next: undefined };
  // That of a run that was killed.
  const exitCode = end.exitCode ?? EXIT.terminated;
  if (exitCode === EXIT.done && isOverdue)
    return { state: 'overdue', exitCode: EXIT.jobOverdue, ageMs, next: run };
  const { state } = end;
  if (exitCode === EXIT.done) return { state, exitCode, ageMs, next: undefined };
  const goesOn = state === 'interrupted' || exitCode === EXIT.network;
  return { state, exitCode, ageMs, next: goesOn ? run : ['cairn', 'job', 'history', job] };
}

function statusObject({ job, runs, state, exitCode, ageMs, next }: JobStatus): Record<string, unknown> {
  const {
    version: _version,
    job: _job,
    state: lastState,
    exitCode: lastExitCode,
    ...rest
  } = lastRunObject(job, runs);
  return {
    type: 'job',
    job,
    state,
    exitCode,
    ageMs: ageMs ?? null,
    next: next ?? null,
    lastState,
    lastExitCode: lastExitCode ?? null,
    ...rest,
  };
}

function statusTable(all: readonly JobStatus[]): string[] {
  if (all.length === 0) return ['no jobs\n'];
  const rows = all.map(({ job, runs, state, exitCode, ageMs, next }) => {
    const { start, end } = runs.at(-1) ?? {};
    const { durationMs, transfer } = end ?? {};
    return [
      job,
      exitCode === 0 ? state : `${state} (${exitCode})`,
      start === undefined ? '-' : momentText(Date.parse(start.startedAt)),
      typeof durationMs === 'number' ? formatDuration(durationMs) : '-',
      transfer === undefined ? '-' : formatCount(transfer.changed),
      transfer === undefined ? '-' : formatBytes(transfer.bytesMoved),
      transfer === undefined ? '-' : formatCount(transfer.excluded),
      ageMs === undefined ? 'never' : `${formatDuration(ageMs)} ago`,
      next === undefined ? '-' : shownCommand(next),
    ];
  });
  return alignColumns([HEADINGS, ...rows], { flexible: ['NEXT'] });
}
