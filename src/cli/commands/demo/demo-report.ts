/** The demo's report: what happened, what it cost, and whether both trees are the same. */
import { printable } from '../../../base/safe-path.ts';
import { formatBytes } from '../../../base/byte-text.ts';
import { formatCount, formatDuration, formatEntries } from '../../report/wording.ts';
import type { TreeComparison } from './compare-trees.ts';
import type { Incident, TransferOutcome, Trouble } from './troubled-transfer.ts';

/** Everything that the demo found out. */
export interface DemoResult {
  readonly entries: number;
  readonly bytes: number;
  readonly push: TransferOutcome;
  readonly pull: TransferOutcome;
  readonly comparison: TreeComparison;
  readonly durationMs: number;
}

const TROUBLE_WORDS: Readonly<Record<Trouble, readonly [what: string, since: string]>> = {
  'cut': ['connections cut', 'after the cut'],
  'kill-client': ['client killed', 'after the same command was started again'],
  'kill-server': ['server killed', 'after the server was back'],
};
const MOST_DIFFERENCES = 20;
/** Below, the protocol's own bytes are more than the files'. */
const LEAST_FOR_PERCENT = 1024 * 1024;

/** The report as lines. */
export function reportLines(result: DemoResult): string[] {
  const { entries, bytes, push, pull, comparison, durationMs } = result;
  const row = (name: string, text: string): string => `  ${name.padEnd(11)}${text}`;
  return [
    '',
    `cairn demo, ${formatDuration(durationMs)}`,
    '',
    row('moved', `${formatEntries(entries)}, ${formatBytes(bytes)}, there and back`),
    ...transferRows('push', push, bytes).map((text, index) => row(index === 0 ? 'push' : '', text)),
    ...transferRows('pull', pull, bytes).map((text, index) => row(index === 0 ? 'pull' : '', text)),
    ...comparisonRows(comparison).map((text, index) => row(index === 0 ? 'compared' : '', text)),
    ...leftOutRows(push, pull).map((text, index) => row(index === 0 ? 'left out' : '', text)),
    '',
    `  ${verdict(result)}`,
    '',
  ];
}

function verdict({ comparison, push, pull }: DemoResult): string {
  if (comparison.differences.length > 0) return 'THE TREES DIFFER. This must not happen: please report it.';
  if (push.leftOut.length + pull.leftOut.length > 0) {
    return 'Every entry came back as it was sent, except those that are named above.';
  }
  return 'Nothing was lost, and nothing was mixed up: the copy is equal to the source.';
}

function transferRows(direction: 'push' | 'pull', outcome: TransferOutcome, bytes: number): string[] {
  const { incidents, bytesOnWire, summary } = outcome;
  const extra = Math.max(0, bytesOnWire - bytes);
  const percent = bytes < LEAST_FOR_PERCENT ? '' : ` (${((extra * 100) / bytes).toFixed(1)}%)`;
  const word = direction === 'push' ? 'sent' : 'received';
  const total = `${word} ${formatBytes(bytesOnWire)} in all; repeated bytes and the protocol took ${formatBytes(extra)}${percent} of that`;
  const resumed = Number(summary['bytesResumed']);
  const wasKilled = incidents.some(({ trouble }) => trouble === 'kill-client');
  return [
    total,
    ...(wasKilled ? [`the last client resumed ${formatBytes(resumed)}`] : []),
    ...incidents.map(incidentText),
  ];
}

function incidentText({ trouble, atPercent, resumedAfterMs }: Incident): string {
  const [what, since] = TROUBLE_WORDS[trouble];
  const where = `${what} at ${atPercent}%`.padEnd(24);
  if (resumedAfterMs === undefined) return `${where}  no byte was left to move`;
  return `${where}  first new byte ${formatDuration(resumedAfterMs)} ${since}`;
}

function comparisonRows({ entries, bytes, differences }: TreeComparison): string[] {
  if (differences.length > 0) {
    const shown = differences.slice(0, MOST_DIFFERENCES).map(printable);
    const more = differences.length - shown.length;
    return more > 0 ? [...shown, `and ${formatCount(more)} more`] : shown;
  }
  return [
    `${formatEntries(entries)}, ${formatBytes(bytes)} byte for byte: all equal`,
    '(names, types, modes, times to the nanosecond, link targets, contents)',
  ];
}

function leftOutRows(push: TransferOutcome, pull: TransferOutcome): string[] {
  return [...new Set([...push.leftOut, ...pull.leftOut])].slice(0, MOST_DIFFERENCES).map(printable);
}
