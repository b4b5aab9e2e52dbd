/** The result of a transfer in one line. */
import type { TransferSummary } from '../../client/api/events.ts';
import { formatBytes } from '../../base/byte-text.ts';
import { formatDuration, formatEntries, formatRate } from './wording.ts';

const WORDS = {
  push: { done: 'pushed', dry: 'would push', moved: 'sent' },
  pull: { done: 'pulled', dry: 'would pull', moved: 'received' },
} as const;

/** `pushed 12 entries (34 MiB): sent 30 MiB in 2.1 s (14.3 MiB/s), resumed 4 MiB, 1 entry left out`. */
export function summaryLine(summary: TransferSummary, options: { dryRun: boolean }): string {
  const words = WORDS[summary.direction];
  const size = `${formatEntries(summary.entries)} (${formatBytes(summary.bytesTotal)})`;
  if (options.dryRun && summary.changed > 0) return `${words.dry} ${size}${tail(summary)}`;
  const seconds = summary.durationMs / 1000;
  const rate = summary.bytesMoved > 0 && seconds > 0 ? ` (${formatRate(summary.bytesMoved / seconds)})` : '';
  if (summary.changed === 0 && summary.bytesMoved === 0)
    return `up to date: ${formatEntries(summary.entries)}${tail(summary)}`;
  const moved = `${words.moved} ${formatBytes(summary.bytesMoved)} in ${formatDuration(summary.durationMs)}`;
  return `${words.done} ${size}: ${moved}${rate}${tail(summary)}`;
}

function tail(summary: TransferSummary): string {
  const { bytesSaved, bytesResumed, bytesSkipped, retries, resumes, excluded } = summary;
  const parts = [
    bytesSaved > 0 ? `${formatBytes(bytesSaved)} less on the wire` : '',
    bytesResumed > 0 ? `resumed ${formatBytes(bytesResumed)}` : '',
    bytesSkipped > 0 ? `${formatBytes(bytesSkipped)} already there` : '',
    retries > 0 ? `${retries} ${retries === 1 ? 'retry' : 'retries'}` : '',
    resumes > 0 ? `${resumes} ${resumes === 1 ? 'resume' : 'resumes'}` : '',
    excluded > 0 ? `${formatEntries(excluded)} left out` : '',
  ];
  return parts
    .filter((part) => part !== '')
    .map((part) => `, ${part}`)
    .join('');
}
