/** The lines of the progress bars, as text of a given width. */
import { printable } from '../../base/safe-path.ts';
import type { FileProgress, Progress } from './tally.ts';
import {
  cutEndToWidth,
  cutToWidth,
  displayWidth,
  fitToWidth,
  formatBytes,
  formatDuration,
  formatRate,
} from './wording.ts';

const MIN_BAR_COLUMNS = 8;
const MAX_BAR_COLUMNS = 40;
const CYAN = '\u001B[36m';
const GREEN = '\u001B[32m';
const PLAIN = '\u001B[39m';

/** `▓▓▓█████░░░░`: what an earlier run brought, what this one did, what is left. */
export function barOf(
  part: { doneBytes: number; resumedBytes: number; sizeBytes: number },
  columns: number,
  hasColor: boolean,
): string {
  const { doneBytes, resumedBytes, sizeBytes } = part;
  const cells = (bytes: number): number =>
    sizeBytes === 0 ? columns : Math.min(columns, Math.floor((bytes / sizeBytes) * columns));
  const done = cells(doneBytes);
  const resumed = resumedBytes === 0 ? 0 : Math.min(cells(resumedBytes), done);
  const paint = (color: string, text: string): string =>
    hasColor && text !== '' ? `${color}${text}${PLAIN}` : text;
  const rest = '░'.repeat(columns - done);
  return paint(CYAN, '▓'.repeat(resumed)) + paint(GREEN, '█'.repeat(done - resumed)) + rest;
}

/** The line of the whole transfer. */
export function overallLine(progress: Progress, columns: number, hasColor: boolean): string {
  const { bytesTotal, bytesDone, bytesResumed, waiting, publishing } = progress;
  if (waiting !== undefined) {
    return cutEndToWidth(`waiting: ${printable(waiting.message)}`, columns);
  }
  if (publishing !== undefined) {
    const { entriesDone, entriesTotal } = publishing;
    const part = { doneBytes: entriesDone, resumedBytes: 0, sizeBytes: entriesTotal };
    return lineOf('publishing', part, [` ${entriesDone}/${entriesTotal}`], columns, hasColor);
  }
  if (bytesTotal === undefined) return cutEndToWidth(beforePlan(progress), columns);
  if (bytesTotal === null)
    return cutEndToWidth(`total  ${formatBytes(bytesDone)}  ${rateText(progress)}`, columns);
  const numbers = ` ${percentOf(bytesDone, bytesTotal)} ${formatBytes(bytesDone)}/${formatBytes(bytesTotal)}`;
  const resumed = bytesResumed > 0 ? ` (${formatBytes(bytesResumed)} resumed)` : '';
  const part = { doneBytes: bytesDone, resumedBytes: bytesResumed, sizeBytes: bytesTotal };
  return lineOf('total', part, [numbers, ` ${rateText(progress)}`, resumed], columns, hasColor);
}

/** The line of one large file. */
export function fileLine(file: FileProgress, columns: number, hasColor: boolean): string {
  const numbers = ` ${percentOf(file.doneBytes, file.sizeBytes)} ${formatBytes(file.doneBytes)}/${formatBytes(file.sizeBytes)}`;
  return lineOf(printable(file.path), file, [numbers], columns, hasColor);
}

function beforePlan({ phase, entries }: Progress): string {
  const count = entries > 0 ? ` ${entries} entries` : '';
  return `${phase ?? 'connecting'}${count} …`;
}

function rateText({ bytesPerSecond, etaMs }: Progress): string {
  if (bytesPerSecond <= 0) return '';
  const left = etaMs === undefined ? '' : `, ${formatDuration(etaMs)} left`;
  return formatRate(bytesPerSecond) + left;
}

function percentOf(done: number, total: number): string {
  return `${total === 0 ? 100 : Math.floor((done * 100) / total)}%`.padStart(4);
}

/** Name, bar and as many of the `details` as there is room for: the last ones go first, then the bar. */
function lineOf(
  name: string,
  part: { doneBytes: number; resumedBytes: number; sizeBytes: number },
  details: readonly string[],
  columns: number,
  hasColor: boolean,
): string {
  const nameColumns = Math.max(5, Math.min(30, Math.floor(columns / 4)));
  const shown = [...details];
  const room = (): number => columns - nameColumns - 1 - displayWidth(shown.join(''));
  while (shown.length > 1 && room() < MIN_BAR_COLUMNS) shown.pop();
  const barColumns = Math.min(MAX_BAR_COLUMNS, room());
  if (barColumns < MIN_BAR_COLUMNS)
    return cutEndToWidth(`${cutToWidth(name, nameColumns)}${shown.join('')}`, columns);
  return `${fitToWidth(name, nameColumns)} ${barOf(part, barColumns, hasColor)}${shown.join('')}`;
}
