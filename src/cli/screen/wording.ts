/** Numbers as people read them, and text cut to the width of a terminal. */

const BYTE_UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `512 B`, `1.5 KiB`, `210 MiB`: three digits, units of 1024. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  let value = bytes;
  let unit = -1;
  do {
    value /= 1024;
    unit += 1;
    // Not before 999.5, so that rounding never shows "1000".
  } while (value >= 999.5 && unit < BYTE_UNITS.length - 1);
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit] ?? ''}`;
}

/** `12.3 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `850 ms`, `12.3 s`, `3m20s`, `2h05m`, `4d03h`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
  return `${Math.floor(minutes / 1440)}d${two(Math.floor(minutes / 60) % 24)}h`;
}

/** `1,234,567`. */
export function formatCount(count: number): string {
  const digits = String(count);
  const groups = [digits.slice(0, digits.length % 3)];
  for (let at = digits.length % 3; at < digits.length; at += 3) groups.push(digits.slice(at, at + 3));
  return groups.filter((group) => group !== '').join(',');
}

/** `1 entry`, `2,003 entries`. */
export function formatEntries(count: number): string {
  return count === 1 ? '1 entry' : `${formatCount(count)} entries`;
}

const ZERO_WIDTH = /^\p{Mark}|\p{Format}$/u;
/** East Asian wide and fullwidth (UAX 11), and what is drawn as a picture. */
const WIDE =
  /^[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]$/u;

function widthOfCharacter(character: string): number {
  if (ZERO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += widthOfCharacter(character);
  return width;
}

/** As many of the `characters` as fit beside an ellipsis. */
function takeToWidth(characters: readonly string[], columns: number): string[] {
  const kept: string[] = [];
  let width = 1;
  for (const character of characters) {
    width += widthOfCharacter(character);
    if (width > columns) break;
    kept.push(character);
  }
  return kept;
}

/** `text` in at most `columns`; what is cut goes from the front, since names differ at their ends. */
export function cutToWidth(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  if (columns < 1) return '';
  return `…${takeToWidth(Array.from(text).toReversed(), columns).toReversed().join('')}`;
}

/** `text` in at most `columns`; what is cut goes from the end. */
export function cutEndToWidth(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  if (columns < 1) return '';
  return `${takeToWidth(Array.from(text), columns).join('')}…`;
}

/** `text` in exactly `columns`: cut or filled up. */
export function fitToWidth(text: string, columns: number): string {
  const cut = cutToWidth(text, columns);
  return cut + ' '.repeat(Math.max(0, columns - displayWidth(cut)));
}
