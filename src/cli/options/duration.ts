/** Durations as people write them: `250ms`, `30s`, `5m`, `1h30m`, `7d`; a bare number means seconds. */
import { usage } from './usage.ts';

/** The longest first, as they follow each other in a duration. */
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;
const SECONDS = /^\d{1,12}(?:\.\d{1,6})?$/;
const PART = /(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)/y;

/** Longest delay that Node's timers keep; a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Milliseconds of a duration.
 *
 * @throws CairnError `usage` naming `option`, also where the value is below `minMs` (0) or above `maxMs`
 */
export function parseDuration(
  option: string,
  text: string,
  range: { minMs?: number; maxMs?: number } = {},
): number {
  const ms = SECONDS.test(text) ? Number(text) * 1000 : sumOfParts(text);
  if (ms === undefined) {
    const example = `${option} 5m (or 250ms, 30s, 1h30m, 7d)`;
    throw usage(`${option} takes a duration, not "${text}"`, example);
  }
  const { minMs = 0, maxMs = MAX_TIMER_MS } = range;
  if (ms < minMs || ms > maxMs) {
    const limits = `${durationText(minMs)} to ${durationText(maxMs)}`;
    throw usage(`${option} takes ${limits}, not "${text}"`, `${option} 5m`);
  }
  return Math.round(ms);
}

/** Each unit at most once, longer ones before shorter ones; undefined for anything else. */
function sumOfParts(text: string): number | undefined {
  let [ms, at, next] = [0, 0, 0];
  while (at < text.length) {
    PART.lastIndex = at;
    const [part = '', digits, unit] = PART.exec(text) ?? [];
    const index = UNITS.findIndex(([name]) => name === unit);
    const known = UNITS[index];
    if (known === undefined || index < next) return undefined;
    [ms, at, next] = [ms + Number(digits) * known[1], at + part.length, index + 1];
  }
  return text === '' ? undefined : ms;
}

/** A duration as it may be written: `24d`, `1h30m`, `250ms`; what is below a minute of a long one is left away. */
function durationText(ms: number): string {
  let rest = ms;
  const parts = UNITS.map(([name, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? '' : `${count}${name}`;
  }).filter((part) => part !== '');
  return parts.length === 0 ? '0' : parts.slice(0, 2).join('');
}
