/** `cairn job history`: the runs of a job, the newest last. */
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { formatBytes } from '../../../base/byte-text.ts';
import { momentText } from '../../../base/moment-text.ts';
import { printable } from '../../../base/safe-path.ts';
import { isLocked } from '../../../client/state/records.ts';
import { openStateHome } from '../../access/user-directories.ts';
import { usage } from '../../options/usage.ts';
import { print } from '../../process/output.ts';
import { doneLine, jsonLine } from '../../report/json-line.ts';
import { alignColumns } from '../../report/table.ts';
import { formatCount, formatDuration } from '../../report/wording.ts';
import type { HistoryValues } from './job-command.ts';
import { isJobName, NAME_RULE } from './job-keys.ts';
import { jobPaths, killedEnd, readRuns } from './run-history.ts';
import type { Run, RunEnd } from './run-record.ts';

const HEADINGS = [
  'STARTED',
  'TOOK',
  'STATE',
  'EXIT',
  'NEW',
  'MOVED',
  'SKIPPED',
  'DELETED',
  'LEFT OUT',
  'WHY',
];
const USUAL_COUNT = 20;
/** Names in a cell; the lines of JSON have more. */
const NAMED = 3;

/** `cairn job history NAME`. */
export async function runJobHistory(
  name: string,
  { json, number = USUAL_COUNT }: HistoryValues,
): Promise<ExitCode> {
  const runs = (await runsOfJob(await openStateHome(), name)).slice(-number);
  if (json) {
    const lines = runs.map(({ start, end }) => {
      const { type: _type, ...rest } = end ?? { ...start, state: 'running' };
      return jsonLine({ type: 'run', job: name, ...rest });
    });
    print([...lines, doneLine({ runs: runs.length })].join(''));
  } else print(historyTable(runs).join(''));
  return EXIT.done;
}

/**
 * The runs of a job, the oldest first. One that was killed has its end already, which the next run will write.
 *
 * @throws CairnError `usage` for what is no name; storage codes
 */
export async function runsOfJob(stateHome: string, name: string): Promise<Run[]> {
  if (!isJobName(name)) throw usage(`"${name}" is no name of a job: ${NAME_RULE}`, 'cairn job history home');
  const { history, lock } = jobPaths(stateHome, name);
  const runs = await readRuns(history);
  const last = runs.at(-1);
  if (last === undefined || last.end !== undefined || (await isLocked(lock))) return runs;
  return [...runs.slice(0, -1), { start: last.start, end: killedEnd(last.start) }];
}

function historyTable(runs: readonly Run[]): string[] {
  if (runs.length === 0) return ['no runs\n'];
  const rows = runs.map(({ start, end }) => [
    momentText(Date.parse(start.startedAt)),
    ...(end === undefined ? ['-', 'running', ...HEADINGS.slice(3).map(() => '-')] : cellsOf(end)),
  ]);
  return alignColumns([HEADINGS, ...rows], { flexible: ['LEFT OUT', 'WHY'] });
}

function cellsOf(end: RunEnd): string[] {
  const { durationMs, state, exitCode, transfer, message } = end;
  return [
    durationMs === null ? '-' : formatDuration(durationMs),
    state,
    exitCode === null ? '-' : String(exitCode),
    ...(transfer === undefined
      ? ['-', '-', '-', '-']
      : [
          formatCount(transfer.changed),
          formatBytes(transfer.bytesMoved),
          formatBytes(transfer.bytesSkipped),
          transfer.deleted === undefined ? '-' : formatCount(transfer.deleted.entries),
        ]),
    leftOutText(end),
    message === undefined ? '-' : printable(message),
  ];
}

function leftOutText({ leftOut, transfer }: RunEnd): string {
  const count = transfer?.excluded ?? leftOut.length;
  if (count === 0) return '-';
  const names = leftOut.slice(0, NAMED).map(({ path }) => printable(path));
  const more = count > names.length ? ', …' : '';
  return `${formatCount(count)}: ${names.join(', ')}${more}`;
}
