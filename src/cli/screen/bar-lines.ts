/** The lines of the progress bars, as text of a given width: first the numbers, then what there is room for. */
import { printable } from '../../base/safe-path.ts';
import {
  PHASE_WORDS,
  formatBytesOf,
  formatClock,
  formatCount,
  formatDuration,
  formatRate,
} from '../report/wording.ts';
import type { FileProgress, Progress } from './tally.ts';
import { cutEnd, cutMiddle, displayWidth } from '../report/width.ts';
import { formatBytes } from '../../base/byte-text.ts';

const GAP = '  ';
const MIN_BAR_COLUMNS = 8;
const MAX_BAR_COLUMNS = 40;
const MIN_NAME_COLUMNS = 8;
/** Until then no time is shown. */
const SHOWN_AFTER_MS = 2000;
const CYAN = '\u001B[36m';
const GREEN = '\u001B[32m';
const PLAIN = '\u001B[39m';

interface Part {
  readonly doneBytes: number;
  readonly resumedBytes: number;
  readonly sizeBytes: number;
}

/** `▓▓▓█████░░░░`: what an earlier run brought, what this one did, what is left. */
export function barOf(part: Part, columns: number, hasColor: boolean): string {
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
  const { bytesTotal, bytesDone, bytesResumed, publishing, phase } = progress;
  if (progress.waiting !== undefined) return cutEnd(waitingText(progress.waiting), columns);
  const elapsed = progress.elapsedMs < SHOWN_AFTER_MS ? '' : formatClock(progress.elapsedMs);
  if (phase === 'committing' || publishing !== undefined)
    return lineOf(publishingDetails(publishing, elapsed), columns, hasColor);
  if (bytesTotal === undefined) return lineOf({ main: beforePlan(progress, elapsed) }, columns, hasColor);
  const [rate, left] = rateTexts(progress);
  const more = [elapsed, phase === undefined ? '' : PHASE_WORDS[phase]];
  if (bytesTotal === null) return lineOf({ main: [formatBytes(bytesDone), rate], more }, columns, hasColor);
  const part = { doneBytes: bytesDone, resumedBytes: bytesResumed, sizeBytes: bytesTotal };
  const resumed = bytesResumed > 0 ? `${formatBytes(bytesResumed)} resumed` : '';
  const main = [numbersOf(part), rate, left, filesText(progress)];
  return lineOf({ main, more: [...more, resumed], part }, columns, hasColor);
}

function publishingDetails(publishing: Progress['publishing'], elapsed: string): Details {
  if (publishing === undefined) return { main: [PHASE_WORDS.committing, elapsed] };
  const { entriesDone, entriesTotal } = publishing;
  const part = { doneBytes: entriesDone, resumedBytes: 0, sizeBytes: entriesTotal };
  const count = `${formatCount(entriesDone)}/${formatCount(entriesTotal)}`;
  return { main: [count, PHASE_WORDS.committing], more: [elapsed], part };
}

/** The line of one large file. */
export function fileLine(file: FileProgress, columns: number, hasColor: boolean): string {
  const numbers = numbersOf(file);
  const room = columns - displayWidth(numbers) - GAP.length;
  if (room < MIN_NAME_COLUMNS) return cutEnd(numbers, columns);
  const name = cutMiddle(printable(file.path), Math.min(room, Math.max(24, Math.floor(columns / 2))));
  return lineOf({ main: [numbers, name], part: file }, columns, hasColor);
}

function beforePlan({ phase, entries }: Progress, elapsed: string): string[] {
  const count = entries > 0 ? `${formatCount(entries)} entries` : '';
  return [phase === undefined ? 'connecting' : PHASE_WORDS[phase], count, elapsed];
}

function waitingText({ message, delayMs, leftMs }: NonNullable<Progress['waiting']>): string {
  const next = delayMs < 50 ? 'trying again' : `next try in ${formatClock(delayMs)}`;
  return `${next}, gives up in ${formatClock(leftMs)}: ${printable(message)}`;
}

/** Rate and time left; the latter is said to be unknown where nothing tells it. */
function rateTexts({ bytesPerSecond, etaMs, bytesTotal, bytesDone, elapsedMs }: Progress): [string, string] {
  if (typeof bytesTotal === 'number' && bytesDone >= bytesTotal) return ['', ''];
  if (bytesPerSecond <= 0) return ['', elapsedMs < SHOWN_AFTER_MS ? '' : 'time left unknown'];
  return [formatRate(bytesPerSecond), etaMs === undefined ? '' : `${formatDuration(etaMs)} left`];
}

function filesText({ moved, carried }: Progress): string {
  return carried > 1 ? `${formatCount(Math.min(moved, carried))}/${formatCount(carried)} files` : '';
}

function numbersOf({ doneBytes, sizeBytes }: Omit<Part, 'resumedBytes'>): string {
  const percent = sizeBytes === 0 ? 100 : Math.floor((doneBytes * 100) / sizeBytes);
  return `${`${percent}%`.padStart(3)} ${formatBytesOf(doneBytes, sizeBytes)}`;
}

/** What a line tells, the most important first. */
interface Details {
  /** Goes before a bar. The first one is there at any width. */
  readonly main: readonly string[];
  /** What there is room for beside a bar. */
  readonly more?: readonly string[];
  /** What the bar shows; none, where undefined. */
  readonly part?: Part | undefined;
}

function lineOf({ main, more = [], part }: Details, columns: number, hasColor: boolean): string {
  const [first = '', ...others] = main.filter((detail) => detail !== '');
  let line = first;
  const add = (details: readonly string[], room: number): void => {
    for (const detail of details) {
      const longer = `${line}${GAP}${detail}`;
      if (detail !== '' && displayWidth(longer) <= room) line = longer;
    }
  };
  add(others, columns);
  const barColumns = part === undefined ? 0 : GAP.length + MIN_BAR_COLUMNS;
  add(more, columns - barColumns);
  const room = columns - displayWidth(line) - GAP.length;
  if (part === undefined || room < MIN_BAR_COLUMNS) return cutEnd(line, columns);
  return `${line}${GAP}${barOf(part, Math.min(MAX_BAR_COLUMNS, room), hasColor)}`;
}
