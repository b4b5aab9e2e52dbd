/** One JSON object on one line, for scripts. */
import { EXIT } from '../../base/errors.ts';

/** Characters that JSON may hold raw but a terminal must not see: they move the cursor or reorder the text. */
const HOSTILE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The text of `value` with its newline; what a terminal could choke on is escaped, so nothing is lost. */
export function jsonLine(value: Readonly<Record<string, unknown>>): string {
  const text = JSON.stringify(value).replaceAll(
    HOSTILE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${text}\n`;
}

/** The last line of a command that did all that it was asked to do. */
export function doneLine(fields: Readonly<Record<string, unknown>>): string {
  return jsonLine({ type: 'summary', ...fields, code: 'ok', exitCode: EXIT.done });
}
