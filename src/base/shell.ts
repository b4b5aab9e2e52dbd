import { printable } from './safe-path.ts';

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** A word as a POSIX shell reads it back; one that a terminal could choke on becomes `$'…'`. */
export function shellWord(word: string): string {
  if (PLAIN.test(word)) return word;
  if (printable(word) === word) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
  const escaped = Array.from(Buffer.from(word), (byte) => {
    if (byte === 0x27 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
    return byte >= 0x20 && byte < 0x7f
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  // A hex digit after \xNN would not be taken in by bash, which reads two at most.
  return `$'${escaped.join('')}'`;
}

/** A command line to copy and run. */
export function shellCommand(argv: readonly string[]): string {
  return argv.map(shellWord).join(' ');
}
