/** The checkpoints of this machine as a table, as lines, and as objects. */
import { printable } from '../../../base/safe-path.ts';
import type { TransferInfo } from '../../../client/state/transfer-info.ts';
import type { UnreadableTransfer } from '../../../client/transfers.ts';
import { alignColumns, shortIds } from '../../report/table.ts';
import { shownCommand } from '../../process/own-command.ts';
import { momentText } from '../../../base/moment-text.ts';
import { formatBytes } from '../../../base/byte-text.ts';
import { formatCount, formatDuration, formatEntries } from '../../report/wording.ts';

const HEADINGS = [
  'ID',
  'STATE',
  'TOOK',
  'DONE',
  'SKIPPED',
  'LEFT OUT',
  'UPDATED',
  'KEPT UNTIL',
  'FROM',
  'TO',
];

/** One line a transfer, columns aligned. */
export function transferTable(
  transfers: readonly TransferInfo[],
  unreadable: readonly UnreadableTransfer[] = [],
): string[] {
  const all = [...transfers, ...unreadable];
  if (all.length === 0) return ['no unfinished transfers on this machine\n'];
  const shown = shortIds(all.map(({ id }) => id));
  const rows = all.map((each, row) => [
    shown[row] ?? each.id,
    ...('code' in each ? unreadableCells(each) : cellsOf(each)),
  ]);
  return alignColumns([HEADINGS, ...rows], { flexible: ['FROM', 'TO'] });
}

/** What can be said of it; `transfers show` says the rest. */
function unreadableCells({ code }: UnreadableTransfer): string[] {
  const state = code === 'journal-version' ? 'of a newer cairn' : 'damaged';
  return [state, ...HEADINGS.slice(2).map(() => '-')];
}

function cellsOf(info: TransferInfo): string[] {
  const ends = [localText(info), printable(info.url)];
  const [from = '', to = ''] = info.direction === 'push' ? ends : ends.toReversed();
  return [
    stateText(info),
    tookText(info),
    doneText(info),
    formatBytes(info.bytesSkipped),
    info.excluded === 0 ? '-' : formatCount(info.excluded),
    whenText(info.updatedAt),
    whenText(info.keptUntil),
    from,
    to,
  ];
}

/** The first path and how many more there are: a hundred of them have no room in a cell. */
function localText({ localPaths: [first = '', ...more] }: TransferInfo): string {
  return more.length === 0 ? printable(first) : `${printable(first)} and ${formatCount(more.length)} more`;
}

/** What people call it: a record says only how far the last run came. */
function stateText({ locked, state }: TransferInfo): string {
  if (locked) return 'running';
  return state === 'agreed' ? 'to be published' : 'interrupted';
}

function doneText({ bytesDone, bytesTotal }: TransferInfo): string {
  const percent = bytesTotal === 0 ? 100 : Math.floor((bytesDone * 100) / bytesTotal);
  return `${percent}% of ${formatBytes(bytesTotal)}`;
}

function tookText({ durationMs }: TransferInfo): string {
  return durationMs === null ? '-' : formatDuration(durationMs);
}

/** A directory that a selection leaves out counts once. */
function leftOutText({ excluded, unselected }: TransferInfo): string {
  const bySelection = unselected ?? 0;
  const unread = `${formatEntries(excluded)} that could not be read`;
  return bySelection === 0 ? unread : `${unread}, ${formatCount(bySelection)} by the selection`;
}

function whenText(when: TransferInfo['updatedAt']): string {
  return momentText(new Date(when).getTime());
}

function keptText(keptUntil: string): string {
  const isOver = Date.parse(keptUntil) < Date.now();
  return isOver ? `${whenText(keptUntil)}: the server may have freed it` : `${whenText(keptUntil)} at least`;
}

/** Everything about one transfer. */
export function transferLines(info: TransferInfo): string[] {
  const fields: readonly (readonly [string, string])[] = [
    ['id', info.id],
    ['direction', info.direction],
    ['url', printable(info.url)],
    ...info.localPaths.map((path, index) => [index === 0 ? 'local' : '', printable(path)] as const),
    ['state', stateText(info)],
    ['done', `${doneText(info)} (${info.bytesDone} of ${info.bytesTotal} bytes)`],
    ['skipped', `${formatBytes(info.bytesSkipped)} that were there already`],
    ['left out', leftOutText(info)],
    ['took', `${tookText(info)} so far, all runs together`],
    ['started', whenText(info.createdAt)],
    ['updated', whenText(info.updatedAt)],
    ['kept until', keptText(info.keptUntil)],
    ['resume', shownCommand(info.resumeCommand)],
  ];
  return fields.map(([name, value]) => `${(name === '' ? '' : `${name}:`).padEnd(12)}${value}\n`);
}

/** The line of `--json` for one that cannot be read. */
export function unreadableObject({ id, code, message, locked }: UnreadableTransfer): Record<string, unknown> {
  return { type: 'unreadable', id, code, message, locked };
}

/** The line of `--json`; `local` is one text, as it was before there was `localPaths`. */
export function transferObject(info: TransferInfo): Record<string, unknown> {
  return { type: 'transfer', ...info, local: info.localPaths.join(', ') };
}
