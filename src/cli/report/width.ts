/** Text at the width of a terminal: wide characters take two columns, combining marks and what is not shown none. */
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';

/** Columns that a text takes. */
export function displayWidth(text: string): number {
  return stringWidth(text);
}

/** `text` in at most `columns`; what is cut goes from the middle, since names differ at both ends. */
export function cutMiddle(text: string, columns: number): string {
  return cliTruncate(text, Math.max(0, columns), { position: 'middle' });
}

/** `text` in at most `columns`; what is cut goes from the end. */
export function cutEnd(text: string, columns: number): string {
  return cliTruncate(text, Math.max(0, columns));
}

/** `text` in at least `columns`: filled up with blanks. */
export function padTo(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - displayWidth(text)));
}
