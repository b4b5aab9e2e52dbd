/** The checkpoints of this machine as a table, as lines, and as objects. */
import { printable } from '../base/safe-path.ts';
import type { TransferInfo } from '../client/transfers.ts';
import { alignColumns } from './columns.ts';
import { shownCommand } from './resume-command.ts';
import { momentText } from '../base/moment-text.ts';
import { formatBytes } from '../base/byte-text.ts';
import { shortIds } from './short-ids.ts';

const HEADINGS = ['ID', 'STATE', 'DONE', 'UPDATED', 'KEPT UNTIL', 'FROM', 'TO'];

/** One line a transfer, columns aligned. */
export function transferTable(transfers: readonly TransferInfo[]): string[] {
  if (transfers.length === 0) return ['no unfinished transfers on this machine\n'];
  const shown = shortIds(transfers.map(({ id }) => id));
  const rows = transfers.map((info, row) => [shown[row] ?? info.id, ...cellsOf(info)]);
  return alignColumns([HEADINGS, ...rows], { flexible: ['FROM', 'TO'] });
}

function cellsOf(info: TransferInfo): string[] {
  const ends = [printable(info.local), printable(info.url)];
  const [from = '', to = ''] = info.direction === 'push' ? ends : ends.toReversed();
  return [stateText(info), doneText(info), whenText(info.updatedAt), whenText(info.keptUntil), from, to];
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

function whenText(when: TransferInfo['updatedAt']): string {
  return momentText(new Date(when).getTime());
}

function keptText(keptUntil: string): string {
  const isOver = Date.parse(keptUntil) < Date.now();
  return isOver
    ? `${whenText(keptUntil)}: the server may have given it up`
    : `${whenText(keptUntil)} at least`;
}

/** Everything about one transfer. */
export function transferLines(info: TransferInfo): string[] {
  const fields: readonly (readonly [string, string])[] = [
    ['id', info.id],
    ['direction', info.direction],
    ['url', printable(info.url)],
    ['local', printable(info.local)],
    ['state', stateText(info)],
    ['done', `${doneText(info)} (${info.bytesDone} of ${info.bytesTotal} bytes)`],
    ['started', whenText(info.createdAt)],
    ['updated', whenText(info.updatedAt)],
    ['kept until', keptText(info.keptUntil)],
    ['resume', shownCommand(info.resumeCommand)],
  ];
  return fields.map(([name, value]) => `${`${name}:`.padEnd(12)}${value}\n`);
}

/** The line of `--json`. */
export function transferObject(info: TransferInfo): Record<string, unknown> {
  return { type: 'transfer', ...info };
}
