/** Events that are a line of their own, in every renderer for people. */
import { formatBytes } from '../../base/byte-text.ts';
import { printable } from '../../base/safe-path.ts';
import type { Change, TransferEvent, TransferSummary } from '../../client/api/events.ts';
import type { EntryType } from '../../manifest/entry.ts';
import type { Unselected } from '../../manifest/selection.ts';
import { formatDuration, formatEntries, formatRate } from '../report/wording.ts';

const CHANGES: Readonly<Record<Change, string>> = {
  'new': 'new',
  'changed': 'changed',
  'same-size': 'other time',
  'attributes': 'attributes',
  'unknown': 'to send',
  'delete': 'delete',
};
const KINDS: Readonly<Record<EntryType, string>> = {
  file: 'file',
  directory: 'dir',
  symlink: 'link',
  stream: 'stream',
  hardlink: 'hard link',
};

const WORDS = {
  push: { done: 'pushed', dry: 'would push', moved: 'sent' },
  pull: { done: 'pulled', dry: 'would pull', moved: 'received' },
} as const;

/** `cairn: left out "a/b": permission denied`; what is there, and only not as it was, is not called left out. */
export function warningLine(event: Extract<TransferEvent, { type: 'warning' }>): string {
  if (event.isOfDeletion === true && event.path === '.') return `cairn: ${printable(event.message)}`;
  const isThere = event.isOfDeletion === true || event.code === 'time-out-of-range';
  const what = isThere ? '' : 'left out ';
  return `cairn: ${what}"${printable(event.path)}": ${printable(event.message)}`;
}

/** `cairn: waiting: connection refused; next try in 2.0 s, gives up in 4m58s`. */
export function waitingLine(event: Extract<TransferEvent, { type: 'waiting' }>): string {
  return `cairn: waiting: ${printable(event.message)}; next try in ${formatDuration(event.delayMs)}, gives up in ${formatDuration(event.leftMs)}`;
}

/** `cairn: waiting: connection refused`, where a countdown stands beside it. */
export function whyWaitingLine(event: Extract<TransferEvent, { type: 'waiting' }>): string {
  return `cairn: waiting: ${printable(event.message)}`;
}

/** `new         file  1.50 MiB  a/b`: what a run would do with an entry. */
export function wouldLine(event: Extract<TransferEvent, { type: 'would' }>): string {
  const size = event.kind === 'file' ? formatBytes(event.sizeBytes) : '';
  const what = `${CHANGES[event.change].padEnd(10)}  ${KINDS[event.kind].padEnd(4)}`;
  return `${what}  ${size.padStart(8)}  ${printable(event.path)}`;
}

/** `unselected  dir             a/build  (build/ of --exclude)`: what a dry run leaves out, in the columns of {@link wouldLine}. */
export function wouldLeaveOutLine({
  path,
  kind,
  reason,
}: Extract<TransferEvent, { type: 'unselected' }>): string {
  return `unselected  ${KINDS[kind].padEnd(4)}  ${' '.repeat(8)}  ${printable(path)}  (${reasonText(reason)})`;
}

/** `cairn: not selected: a/build (build/ of --exclude)`. */
export function unselectedLine({ path, reason }: Extract<TransferEvent, { type: 'unselected' }>): string {
  return `cairn: not selected: ${printable(path)} (${reasonText(reason)})`;
}

const REASONS: Readonly<Record<Exclude<Unselected['why'], 'rule'>, string>> = {
  'not-listed': 'not in the list',
  'too-small': 'smaller than --min-size',
  'too-large': 'larger than --max-size',
  'too-new': 'younger than --min-age',
  'too-old': 'older than --max-age',
  'cache': 'the rest of a cache directory',
  'other-file-system': 'what is in another file system',
};

function reasonText(reason: Unselected): string {
  return reason.why === 'rule'
    ? printable(`${reason.rule.pattern} of ${reason.rule.from}`)
    : REASONS[reason.why];
}

/** `done: a/b (1.50 MiB)`: an entry that has crossed the wire. */
export function entryDoneLine(event: Extract<TransferEvent, { type: 'entry' }>): string {
  return `done: ${printable(event.path)} (${formatBytes(event.sizeBytes)})`;
}

/** `deleted: a/b`: an entry of the destination that is no longer there. */
export function deletedLine(event: Extract<TransferEvent, { type: 'deleted' }>): string {
  return `deleted: ${printable(event.path)}`;
}

/** `cairn: going on where it stopped (epoch 3)`. */
export function resumedLine(event: Extract<TransferEvent, { type: 'resumed' }>): string {
  return `cairn: going on where it stopped (epoch ${event.epoch})`;
}

/** `cairn: …`. */
export function noticeLine(event: Extract<TransferEvent, { type: 'notice' }>): string {
  return `cairn: ${printable(event.message)}`;
}

/** `pushed 12 entries (34 MiB): sent 30 MiB in 2.1 s (14.3 MiB/s), resumed 4 MiB, 1 entry left out`. */
export function summaryLine(summary: TransferSummary, options: { dryRun: boolean }): string {
  const words = WORDS[summary.direction];
  const size = `${formatEntries(summary.entries)} (${formatBytes(summary.bytesTotal)})`;
  const { deleted } = summary;
  const gone = deleted === undefined ? 0 : deleted.entries;
  if (options.dryRun && summary.changed + gone > 0) return `${words.dry} ${size}${tail(summary, options)}`;
  const seconds = summary.durationMs / 1000;
  const rate = summary.bytesMoved > 0 && seconds > 0 ? ` (${formatRate(summary.bytesMoved / seconds)})` : '';
  if (summary.changed === 0 && summary.bytesMoved === 0 && gone === 0)
    return `up to date: ${formatEntries(summary.entries)}${tail(summary, options)}`;
  const moved = `${words.moved} ${formatBytes(summary.bytesMoved)} in ${formatDuration(summary.durationMs)}`;
  return `${words.done} ${size}: ${moved}${rate}${tail(summary, options)}`;
}

function tail(summary: TransferSummary, { dryRun }: { dryRun: boolean }): string {
  const { bytesSaved, bytesReused, bytesResumed, bytesSkipped, retries, resumes, excluded, unselected } =
    summary;
  const { entries: gone, undeleted } = summary.deleted ?? { entries: 0, undeleted: 0 };
  const parts = [
    bytesSaved > 0 ? `${formatBytes(bytesSaved)} less on the wire` : '',
    bytesResumed > 0 ? `resumed ${formatBytes(bytesResumed)}` : '',
    bytesReused > 0 ? `${formatBytes(bytesReused)} from older versions` : '',
    bytesSkipped > 0 ? `${formatBytes(bytesSkipped)} already there` : '',
    retries > 0 ? `${retries} ${retries === 1 ? 'retry' : 'retries'}` : '',
    resumes > 0 ? `${resumes} ${resumes === 1 ? 'resume' : 'resumes'}` : '',
    gone > 0 ? `${formatEntries(gone)} ${dryRun ? 'to delete' : 'deleted'}` : '',
    excluded > 0 ? `${formatEntries(excluded)} left out` : '',
    unselected > 0 ? `${formatEntries(unselected)} not selected` : '',
    undeleted > 0 ? `${formatEntries(undeleted)} not deleted` : '',
  ];
  return parts
    .filter((part) => part !== '')
    .map((part) => `, ${part}`)
    .join('');
}
