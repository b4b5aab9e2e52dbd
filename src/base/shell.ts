import { printable } from './safe-path.ts';

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** A word, quoted for a POSIX shell; one with characters that could upset a terminal becomes `$'…'`. */
export function shellWord(word: string): string {
  if (PLAIN.test(word)) return word;
  if (printable(word) === word) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
  const escaped = Array.from(Buffer.from(word), (byte) => {
    if (byte === 0x27 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
    return byte >= 0x20 && byte < 0x7f
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  // A hex digit may follow \xNN: bash reads two digits at most.
  return `$'${escaped.join('')}'`;
}

/** A command line to copy and run. */
export function shellCommand(argv: readonly string[]): string {
  return argv.map(shellWord).join(' ');
}
