/** `cairn ls`. */
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable, targetPathOf } from '../../../base/safe-path.ts';
import type { Entry } from '../../../manifest/entry.ts';
import type { EntryList } from '../../../manifest/entry-table.ts';
import type { Notice } from '../../../wire/tree-stream.ts';
import { entryLine, entryObject } from './listing.ts';
import type { LsValues } from './ls-command.ts';
import { jsonLine } from '../../screen/json-line.ts';
import { NO_LINES, runClient } from '../../access/run-client.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import { print } from '../../process/output.ts';

/** Lists what is at a URL. */
export async function runLs(word: string, values: LsValues): Promise<ExitCode> {
  const url = parseServerUrl(word);
  const resumeCommand = ['cairn', 'ls', url.href];
  const plan = { url, values: { ...values, progress: false }, resumeCommand };
  const { list } = await import('../../../client/list.ts');
  const { result } = await runClient(plan, NO_LINES, (options) =>
    list(options, { recursive: values.recursive }),
  );
  const { entries, notices } = result;
  if (values.json) return printJson(entries, notices);
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

function printJson(entries: EntryList, notices: readonly Notice[]): ExitCode {
  const exitCode = exitCodeOf(notices);
  const code = exitCode === EXIT.done ? 'ok' : 'partial';
  const lines = [
    ...Array.from(entries, (entry) => jsonLine(entryObject(entry))),
    ...notices.map((notice) => jsonLine({ type: 'warning', ...notice })),
    jsonLine({ type: 'summary', entries: entries.length, excluded: notices.length, code, exitCode }),
  ];
  print(lines.join(''));
  return exitCode;
}

function exitCodeOf(notices: readonly Notice[]): ExitCode {
  return notices.length > 0 ? EXIT.partial : EXIT.done;
}
