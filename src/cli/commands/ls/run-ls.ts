/** `cairn ls`. */
import { formatBytes } from '../../../base/byte-text.ts';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { momentText } from '../../../base/moment-text.ts';
import { printable, targetPathOf } from '../../../base/safe-path.ts';
import type { EntryList } from '../../../manifest/entry-table.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import type { Notice } from '../../../wire/tree-stream.ts';
import type { Listing } from '../../../client/list.ts';
import { NO_LINES, runClient } from '../../access/run-client.ts';
import { selectionOf } from '../../options/selection-options.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import { print } from '../../process/output.ts';
import { jsonLine } from '../../report/json-line.ts';
import type { LsValues } from './ls-command.ts';

const TYPE_LETTERS: Readonly<Record<EntryType, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  stream: '-',
  hardlink: '-',
};
const NS_PER_MS = 1_000_000n;

/** Lists what is at a URL. */
export async function runLs(word: string, values: LsValues): Promise<ExitCode> {
  const url = parseServerUrl(word);
  const resumeCommand = ['cairn', 'ls', url.href];
  const job = { url, values: { ...values, progress: false }, resumeCommand };
  const selection = await selectionOf(values);
  const { list } = await import('../../../client/list.ts');
  const { result } = await runClient(job, NO_LINES, (options) =>
    list({ ...options, ...(selection === undefined ? {} : { selection }) }, { recursive: values.recursive }),
  );
  const { entries, notices } = result;
  if (values.json) return printJson(result);
  const isHuman = values.humanReadable;
  return printLines(entries, notices, (entry) => entryLine(entry, { ownName: nameIn(url), isHuman }));
}

/** The last name in a URL whose path is known to be sound. */
function nameIn(url: URL): string {
  return targetPathOf(url.pathname).split('/').at(-1) ?? '';
}

function printLines(
  entries: EntryList,
  notices: readonly Notice[],
  lineOf: (entry: Entry) => string,
): ExitCode {
  // Written in one go: a line at a time is slow for a million of them.
  print(Array.from(entries, (entry) => `${lineOf(entry)}\n`).join(''));
  for (const { code, path, message } of notices) {
    const what = code === 'time-out-of-range' ? '' : 'not listed: ';
    process.stderr.write(`cairn: ${what}"${printable(path)}": ${printable(message)}\n`);
  }
  return exitCodeOf(notices);
}

function printJson({ entries, notices, unselected }: Listing): ExitCode {
  const exitCode = exitCodeOf(notices);
  const code = exitCode === EXIT.done ? 'ok' : 'partial';
  const lines = [
    ...Array.from(entries, (entry) => jsonLine(entryObject(entry))),
    ...notices.map((notice) => jsonLine({ type: 'warning', ...notice })),
    jsonLine({
      type: 'summary',
      entries: entries.length,
      excluded: notices.length,
      unselected,
      code,
      exitCode,
    }),
  ];
  print(lines.join(''));
  return exitCode;
}

function exitCodeOf(notices: readonly Notice[]): ExitCode {
  return notices.length > 0 ? EXIT.partial : EXIT.done;
}

/** `-rw-r--r--`; setuid, setgid and sticky as `ls` writes them. */
export function modeText(type: EntryType, mode: number): string {
  if (type === 'symlink') return 'lrwxrwxrwx';
  const triple = (shift: number, special: boolean, letter: string): string => {
    const bits = mode >> shift;
    const executable = (bits & 1) !== 0;
    const last = special ? (executable ? letter : letter.toUpperCase()) : executable ? 'x' : '-';
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`;
  };
  const [setuid, setgid, sticky] = [0o4000, 0o2000, 0o1000].map((bit) => (mode & bit) !== 0);
  const owner = triple(6, setuid ?? false, 's');
  return TYPE_LETTERS[type] + owner + triple(3, setgid ?? false, 's') + triple(0, sticky ?? false, 't');
}

/** One line of a listing; `ownName` stands for what the URL itself names. Sizes are bytes, or three digits and a unit. */
export function entryLine(
  entry: Entry,
  { ownName, isHuman = false }: { ownName: string; isHuman?: boolean },
): string {
  const isOwn = entry.path === '';
  const name = isOwn ? (entry.type === 'directory' ? '.' : printable(ownName)) : printable(entry.path);
  const target = entry.type === 'symlink' ? ` -> ${printable(entry.linkTarget)}` : '';
  const size = isHuman ? formatBytes(entry.sizeBytes).padStart(8) : String(entry.sizeBytes).padStart(13);
  return `${modeText(entry.type, entry.mode)} ${size} ${momentText(Number(entry.mtimeNs / NS_PER_MS))} ${name}${target}`;
}

/** One line of `ls --json`; `mode` is octal, `mtimeNs` a string since it does not fit a JSON number. */
export function entryObject(entry: Entry): Record<string, unknown> {
  return {
    type: 'entry',
    path: entry.path,
    kind: entry.type,
    sizeBytes: entry.sizeBytes,
    mode: entry.mode.toString(8).padStart(4, '0'),
    mtimeNs: String(entry.mtimeNs),
    ...(entry.type === 'symlink' ? { linkTarget: entry.linkTarget } : {}),
  };
}
