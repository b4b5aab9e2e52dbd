/** What monitoring reads of a job: its last run, as a file of JSON and as metrics for Prometheus. Both are replaced whole. */
import { join } from 'node:path';
import { replaceFileDurably } from '../../../base/durable-files.ts';
import { isSuccess, type Run } from './run-record.ts';

/** Other users read it: the program that collects metrics is one of them. */
const METRICS_MODE = 0o644;

/** The last success among runs, the oldest first. */
export function lastSuccess(runs: readonly Run[]): Run | undefined {
  return runs.findLast(isSuccess);
}

/** Writes the last of `runs`. @throws CairnError, storage codes */
export async function writeLastRun(path: string, job: string, runs: readonly Run[]): Promise<void> {
  await replaceFileDurably(path, `${JSON.stringify(lastRunObject(job, runs), undefined, 2)}\n`);
}

/** The last run of a job as an object for scripts. */
export function lastRunObject(job: string, runs: readonly Run[]): Record<string, unknown> {
  const last = runs.at(-1);
  const lastSuccessAt = lastSuccess(runs)?.end?.endedAt ?? null;
  if (last === undefined) return { version: 1, job, state: 'never', lastSuccessAt };
  const { start, end } = last;
  if (end === undefined) {
    const { run, startedAt, pid } = start;
    return { version: 1, job, state: 'running', run, startedAt, pid, lastSuccessAt };
  }
  const { type: _type, ...rest } = end;
  return { version: 1, job, ...rest, lastSuccessAt };
}

/**
 * Writes `cairn_job_NAME.prom` for the textfile collector of the Prometheus node exporter.
 *
 * @throws CairnError, storage codes
 */
export async function writeMetrics(directory: string, job: string, runs: readonly Run[]): Promise<void> {
  const { Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  for (const [name, help, value] of metricsOf(runs)) {
    const gauge = new Gauge({ name: `cairn_job_${name}`, help, labelNames: ['job'], registers: [registry] });
    if (value !== undefined) gauge.set({ job }, value);
  }
  const text = await registry.metrics();
  await replaceFileDurably(join(directory, `cairn_job_${job}.prom`), text, METRICS_MODE);
}

type Metric = readonly [name: string, help: string, value: number | undefined];

function metricsOf(runs: readonly Run[]): Metric[] {
  const { start, end } = runs.at(-1) ?? {};
  const { transfer } = end ?? {};
  const seconds = (moment: string | null | undefined): number | undefined =>
    typeof moment === 'string' ? Date.parse(moment) / 1000 : undefined;
  const durationMs = end?.durationMs ?? undefined;
  return [
    ['last_run_timestamp_seconds', 'When the last run began.', seconds(start?.startedAt)],
    [
      'last_success_timestamp_seconds',
      'When the last success ended.',
      seconds(lastSuccess(runs)?.end?.endedAt),
    ],
    ['last_run_exit_code', 'Exit code of the last run.', end?.exitCode ?? undefined],
    [
      'last_run_duration_seconds',
      'How long the last run took.',
      durationMs === undefined ? undefined : durationMs / 1000,
    ],
    ['last_run_entries', 'Entries of the last run.', transfer?.entries],
    ['last_run_changed_entries', 'Entries that the last run brought or changed.', transfer?.changed],
    ['last_run_deleted_entries', 'Entries that the last run deleted.', transfer?.deleted?.entries],
    ['last_run_left_out_entries', 'Entries that the last run left out.', transfer?.excluded],
    ['last_run_size_bytes', 'Payload that the last run had to transfer.', transfer?.bytesTotal],
    ['last_run_moved_bytes', 'Payload that crossed the wire in the last run.', transfer?.bytesMoved],
    ['last_run_skipped_bytes', 'Payload that was there before the last run.', transfer?.bytesSkipped],
  ];
}
