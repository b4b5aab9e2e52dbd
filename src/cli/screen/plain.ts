/** Progress off a terminal: a line for each phase, one every few seconds, and what happened. */
import { formatBytes } from '../../base/byte-text.ts';
import type { TransferEvent } from '../../client/api/events.ts';
import { PHASE_WORDS, formatCount, formatDuration, formatEntries, formatRate } from '../report/wording.ts';
import {
  deletedLine,
  entryDoneLine,
  noticeLine,
  resumedLine,
  unselectedLine,
  waitingLine,
  warningLine,
  wouldLeaveOutLine,
  wouldLine,
  summaryLine,
} from './lines.ts';
import type { Screen } from './screen.ts';
import { createTally, type Progress } from './tally.ts';

const LINE_EVERY_MS = 5000;

/** A screen of plain lines. `now` gives milliseconds. */
export function createPlainScreen(options: {
  say: (line: string) => void;
  /** Writes to standard output, where the result of a dry run belongs. */
  print?: (text: string) => void;
  showsProgress: boolean;
  dryRun: boolean;
  now?: () => number;
}): Screen {
  const { say, print = say, showsProgress, dryRun, now = () => performance.now() } = options;
  const tally = createTally(now);
  let nextLineAt = now() + LINE_EVERY_MS;
  let nextWaitingAt = 0;
  const onProgress = (event: TransferEvent): void => {
    if (event.type === 'phase') say(phaseLine(event));
    if (event.type === 'resumed') say(resumedLine(event));
    if (event.type === 'waiting' && now() >= nextWaitingAt) {
      // Every connection waits, so each try would be told once for each of them.
      nextWaitingAt = now() + LINE_EVERY_MS;
      say(waitingLine(event));
    }
    if (event.type === 'resumed' || event.type === 'bytes') nextWaitingAt = 0;
    if (now() < nextLineAt) return;
    nextLineAt = now() + LINE_EVERY_MS;
    const line = progressLine(tally.now());
    if (line !== undefined) say(line);
  };
  return {
    report: (event) => {
      tally.add(event);
      if (event.type === 'warning') say(warningLine(event));
      else if (event.type === 'notice') say(noticeLine(event));
      else if (event.type === 'entry') say(entryDoneLine(event));
      else if (event.type === 'deleted') say(deletedLine(event));
      else if (event.type === 'would') print(`${wouldLine(event)}\n`);
      else if (event.type === 'unselected' && dryRun) print(`${wouldLeaveOutLine(event)}\n`);
      else if (event.type === 'unselected') say(unselectedLine(event));
      else if (showsProgress) onProgress(event);
    },
    say,
    stop: () => undefined,
    summarize: (summary) => say(`cairn: ${summaryLine(summary, { dryRun })}`),
  };
}

function phaseLine(event: Extract<TransferEvent, { type: 'phase' }>): string {
  const entries = event.entries === undefined ? '' : ` ${formatEntries(event.entries)}`;
  return `cairn: ${PHASE_WORDS[event.phase]}${entries}`;
}

/** `cairn: 12.0 MiB of 210 MiB (5%), 8.10 MiB/s, 24.4 s left`; undefined while there is nothing to tell. */
function progressLine(progress: Progress): string | undefined {
  const { bytesTotal, bytesDone, bytesPerSecond, etaMs, publishing, waiting, moved, carried } = progress;
  if (publishing !== undefined) {
    return `cairn: published ${publishing.entriesDone} of ${formatEntries(publishing.entriesTotal)}`;
  }
  if (bytesTotal === undefined || waiting !== undefined) return undefined;
  const rate = bytesPerSecond > 0 ? `, ${formatRate(bytesPerSecond)}` : '';
  if (bytesTotal === null) return `cairn: ${formatBytes(bytesDone)}${rate}`;
  const percent = bytesTotal === 0 ? 100 : Math.floor((bytesDone * 100) / bytesTotal);
  const left = etaMs === undefined ? ', time left unknown' : `, ${formatDuration(etaMs)} left`;
  const files =
    carried > 1 ? `, ${formatCount(Math.min(moved, carried))} of ${formatCount(carried)} files` : '';
  return `cairn: ${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)} (${percent}%)${rate}${bytesDone < bytesTotal ? left : ''}${files}`;
}

/** `--quiet`: nothing but what was left out, since that changes the result. */
export function createQuietScreen(say: (line: string) => void): Screen {
  return {
    report: (event) => {
      if (event.type === 'warning') say(warningLine(event));
    },
    say,
    stop: () => undefined,
    summarize: () => undefined,
  };
}
