/** Entries as `ls -l` shows them, and as objects for scripts. */
import { momentText } from '../../../base/moment-text.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import { formatBytes } from '../../../base/byte-text.ts';

const TYPE_LETTERS: Readonly<Record<EntryType, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  stream: '-',
};
const NS_PER_MS = 1_000_000n;

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
