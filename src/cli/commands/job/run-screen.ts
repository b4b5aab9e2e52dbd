/** How runs of jobs are shown: as lines for people, or as lines of JSON. */
import * as v from 'valibot';
import { formatBytes } from '../../../base/byte-text.ts';
import { printable } from '../../../base/safe-path.ts';
import { formatDuration } from '../../report/wording.ts';
import { jsonLine } from '../../report/json-line.ts';
import { summaryLine } from '../../screen/lines.ts';
import { printAside } from '../../process/output.ts';
import type { Job } from './job.ts';
import type { RunEnd } from './run-record.ts';
import type { JsonLine } from './transfer-child.ts';

/** What a run shows of itself. */
export interface RunScreen {
  begin(job: Job): void;
  /** A line that the transfer prints. */
  line(job: string, line: JsonLine): void;
  /** Something worth a line that takes nothing away from the result. */
  notice(job: string, message: string): void;
  end(job: string, end: RunEnd): void;
}

/** How the user wants to see runs. */
export interface RunWishes {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: boolean;
}

const PROGRESS_EVERY_MS = 5000;

const Progress = v.object({
  type: v.literal('progress'),
  phase: v.nullable(v.string()),
  bytesDone: v.number(),
  bytesTotal: v.nullable(v.number()),
  etaMs: v.nullable(v.number()),
});
const Warning = v.object({
  type: v.literal('warning'),
  code: v.string(),
  path: v.string(),
  message: v.string(),
});

/** The screen for these wishes. `now` gives milliseconds. */
export function openRunScreen(wishes: RunWishes, now: () => number = () => performance.now()): RunScreen {
  return wishes.json ? jsonScreen(wishes) : textScreen(wishes, now);
}

function jsonScreen({ quiet }: RunWishes): RunScreen {
  return {
    begin: ({ name, direction, from, to }) =>
      printAside(jsonLine({ type: 'started', job: name, direction, from, to })),
    // How it ended stands in the record of the run.
    line: (job, { type, ...rest }) => {
      if (type !== 'summary' && type !== 'error') printAside(jsonLine({ type, job, ...rest }));
    },
    notice: (job, message) => {
      if (!quiet) sayTo(job, message);
    },
    end: (job, { type: _type, ...rest }) => printAside(jsonLine({ type: 'run', job, ...rest })),
  };
}

function textScreen({ quiet, progress }: RunWishes, now: () => number): RunScreen {
  let nextAt = now() + PROGRESS_EVERY_MS;
  return {
    begin: ({ name, direction, to }) => {
      if (!quiet) sayTo(name, `${direction} to ${to}`);
    },
    line: (job, line) => {
      const warning = v.safeParse(Warning, line);
      if (warning.success) {
        const { code, path, message } = warning.output;
        const what = code === 'time-out-of-range' ? '' : 'left out ';
        sayTo(job, `${what}"${path}": ${message}`);
      }
      const done = v.safeParse(Progress, line);
      if (!done.success || quiet || !progress || now() < nextAt) return;
      nextAt = now() + PROGRESS_EVERY_MS;
      sayTo(job, progressText(done.output));
    },
    notice: (job, message) => {
      if (!quiet) sayTo(job, message);
    },
    end: (job, end) => {
      if (!quiet) sayTo(job, endText(end));
    },
  };
}

function sayTo(job: string, message: string): void {
  process.stderr.write(`cairn: ${job}: ${printable(message)}\n`);
}

function progressText({ phase, bytesDone, bytesTotal, etaMs }: v.InferOutput<typeof Progress>): string {
  const size = bytesTotal === null ? '' : ` of ${formatBytes(bytesTotal)}`;
  const left = etaMs === null ? '' : `, ${formatDuration(etaMs)} left`;
  return `${phase ?? 'waiting'}: ${formatBytes(bytesDone)}${size}${left}`;
}

/** `ok: pushed 12 entries …`, `failed (exit code 5)`. */
export function endText({ state, exitCode, transfer }: RunEnd): string {
  const what = transfer === undefined ? '' : `: ${summaryLine(transfer, { dryRun: false })}`;
  return `${state}${exitCode === 0 ? '' : ` (exit code ${exitCode})`}${what}`;
}
