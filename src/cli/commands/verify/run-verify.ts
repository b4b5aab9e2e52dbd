/** `cairn verify`. */
import { ERROR_TABLE, EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { absolutePath } from '../../process/own-command.ts';
import { jsonLine } from '../../report/json-line.ts';
import { formatBytes } from '../../../base/byte-text.ts';
import { formatEntries } from '../../report/wording.ts';
import { NO_LINES, runClient } from '../../access/run-client.ts';
import { accessWordsOf, retryWordsOf } from '../../options/client-options.ts';
import { selectionOf, selectionWordsOf } from '../../options/selection-options.ts';
import type { VerifyValues } from './verify-command.ts';
import { looksLikeUrl, parseServerUrl } from '../../options/server-url.ts';
import { usage } from '../../options/usage.ts';
import { print } from '../../process/output.ts';

/** What a comparison found. */
export interface Comparison {
  readonly equal: number;
  readonly differing: readonly { readonly path: string; readonly why: string }[];
  readonly bytes: number;
  /** Entries that the selection left out, a directory counted once. */
  readonly unselected: number;
}

const WHY: Readonly<Record<string, string>> = {
  'content': 'the content differs',
  'type': 'it is of another type',
  'size': 'the size differs',
  'link': 'the link points elsewhere',
  'missing-local': 'it is missing here',
  'missing-remote': 'it is missing on the server',
  'mode': 'the mode differs',
  'mtime': 'the modification time differs',
  'unreadable': 'it cannot be read',
  'missing-both': 'it is listed, and on neither side',
};
/** Nothing is known of these. */
const UNCOMPARED = new Set(['unreadable', 'missing-both']);
/** Worth a line, but the content is there. */
const ATTRIBUTES = new Set(['mode', 'mtime']);

/** Re-reads both sides and says what differs. */
export async function runVerify(local: string, word: string, values: VerifyValues): Promise<ExitCode> {
  const example = 'cairn verify ~/photos http://127.0.0.1:7070/photos';
  if (looksLikeUrl(local)) throw usage('verify takes the local path first, then the URL', example);
  const url = parseServerUrl(word);
  const words = [...selectionWordsOf(values), ...retryWordsOf(values), ...accessWordsOf(values)];
  const selection = await selectionOf(values);
  const resumeCommand = ['cairn', 'verify', ...words, absolutePath(local), url.href];
  const { verify } = await import('../../../client/verify.ts');
  const { result } = await runClient({ url, values, resumeCommand }, NO_LINES, (options) =>
    verify(local, { ...options, ...(selection === undefined ? {} : { selection }) }),
  );
  const exitCode = exitCodeOf(result);
  const lines = values.json ? jsonLinesOf(result, exitCode) : textLinesOf(result);
  if (values.json || !values.quiet) print(lines.join(''));
  return exitCode;
}

/**
 * Mode and modification time alone do not make two trees differ. Where nothing else is wrong than that something could not be
 * read, the rest is equal.
 */
export function exitCodeOf({ differing }: Comparison): ExitCode {
  const worse = differing.filter(({ why }) => !ATTRIBUTES.has(why));
  if (worse.length === 0) return EXIT.done;
  return worse.every(({ why }) => UNCOMPARED.has(why)) ? EXIT.partial : ERROR_TABLE['verify-failed'].exitCode;
}

/** What the exit code says, in words: entries are counted by the worst that is said of them. */
function verdictOf({ differing }: Comparison): string {
  const pathsOf = (isMeant: (why: string) => boolean, others: ReadonlySet<string> = new Set()): Set<string> =>
    new Set(differing.filter(({ why, path }) => isMeant(why) && !others.has(path)).map(({ path }) => path));
  const wrong = pathsOf((why) => !UNCOMPARED.has(why) && !ATTRIBUTES.has(why));
  const unread = pathsOf((why) => UNCOMPARED.has(why), wrong);
  const attributes = pathsOf((why) => ATTRIBUTES.has(why), new Set([...wrong, ...unread]));
  const parts = [
    wrong.size > 0 ? `${formatEntries(wrong.size)} differing` : '',
    unread.size > 0 ? `${formatEntries(unread.size)} not compared` : '',
    attributes.size > 0 ? `${formatEntries(attributes.size)} differing in mode or time alone` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'all equal' : parts.join(', ');
}

/** Entries that differ; one may do so in more than one way. */
function countOf(differing: Comparison['differing']): number {
  return new Set(differing.map(({ path }) => path)).size;
}

/** The result for people. */
export function textLinesOf(comparison: Comparison): string[] {
  const { equal, differing, bytes, unselected } = comparison;
  const left = unselected === 0 ? '' : `, ${formatEntries(unselected)} not selected`;
  return [
    ...differing.map(
      ({ path, why }) => `differs: ${printable(path === '' ? '.' : path)}: ${WHY[why] ?? printable(why)}\n`,
    ),
    `${formatEntries(equal)} equal, ${formatBytes(bytes)} compared: ${verdictOf(comparison)}${left}\n`,
  ];
}

/** The result for scripts. */
export function jsonLinesOf(
  { equal, differing, bytes, unselected }: Comparison,
  exitCode: ExitCode,
): string[] {
  const code = exitCode === EXIT.done ? 'ok' : exitCode === EXIT.partial ? 'partial' : 'verify-failed';
  return [
    ...differing.map(({ path, why }) => jsonLine({ type: 'difference', path, why })),
    jsonLine({ type: 'summary', equal, differing: countOf(differing), bytes, unselected, code, exitCode }),
  ];
}
