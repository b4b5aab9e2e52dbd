/** What is kept of a run of a job. */
import * as v from 'valibot';
import { isErrorCode, type ErrorCode } from '../../../base/errors.ts';
import type { TransferSummary } from '../../../client/api/events.ts';

const count = v.pipe(v.number(), v.minValue(0));
/** Of a transfer: a history of an older cairn may not tell it. */
const told = v.optional(count, 0);
const moment = v.pipe(v.string(), v.isoTimestamp());

const Deleted = v.object({
  entries: told,
  bytes: told,
  undeleted: told,
  code: v.fallback(v.optional(v.custom<ErrorCode>(isErrorCode)), undefined),
});

/** The numbers of a transfer, as {@link TransferSummary} explains them. */
export const TransferNumbers = v.object({
  direction: v.picklist(['push', 'pull']),
  entries: told,
  changed: told,
  bytesTotal: told,
  bytesMoved: told,
  bytesSaved: told,
  bytesSkipped: told,
  bytesReused: told,
  bytesResumed: told,
  retries: told,
  resumes: told,
  durationMs: told,
  digest: v.optional(v.nullable(v.string()), null),
  excluded: told,
  unselected: told,
  unkept: v.exactOptional(count),
  deleted: v.optional(Deleted),
}) satisfies v.GenericSchema<unknown, TransferSummary>;

const LeftOut = v.object({ path: v.string(), code: v.string(), message: v.string() });

/** The beginning of a run, which is durable before the run does anything. */
const RunStart = v.object({
  type: v.literal('start'),
  run: v.string(),
  startedAt: moment,
  pid: count,
});

/** The end of a run; of one that was killed the next run says it, and does not know when it was. */
const RunEnd = v.object({
  type: v.literal('end'),
  run: v.string(),
  startedAt: moment,
  endedAt: v.nullable(moment),
  durationMs: v.nullable(count),
  /** `ok`; `partial`: entries were left out; `interrupted`: it was killed, or asked to end. */
  state: v.picklist(['ok', 'partial', 'failed', 'interrupted']),
  /** Null where the process was killed. */
  exitCode: v.nullable(count),
  /** `ok`, or a code of the error table. */
  code: v.string(),
  message: v.optional(v.string()),
  // The rest of a line is worth more than numbers that make no sense.
  transfer: v.fallback(v.optional(TransferNumbers), undefined),
  /** The first of the entries that were left out. */
  leftOut: v.array(LeftOut),
});

/** A line of the history. */
export const RunLine = v.variant('type', [RunStart, RunEnd]);

/** The beginning of a run. */
export type RunStart = v.InferOutput<typeof RunStart>;
/** The end of a run. */
export type RunEnd = v.InferOutput<typeof RunEnd>;
/** A line of the history. */
export type RunLine = v.InferOutput<typeof RunLine>;
/** An entry that was left out. */
export type LeftOut = v.InferOutput<typeof LeftOut>;
/** How a run ended, for hooks and monitors. */
export type RunState = RunEnd['state'];

/** A run as a whole. */
export interface Run {
  readonly start: RunStart;
  /** Undefined while it runs, and for one that was killed until the next run says so. */
  readonly end: RunEnd | undefined;
}

/** Whether a run was a success: so many entries may have been left out as its job allows. */
export function isSuccess(run: Run): boolean {
  return run.end?.exitCode === 0;
}
