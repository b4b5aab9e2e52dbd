/** Counts, sizes and durations as people write them, and the choice of one word out of a few. */
import { usage } from './usage.ts';

/**
 * A whole number within `range`, inclusive.
 *
 * @throws CairnError `usage` naming `option`
 */
export function parseCount(option: string, text: string, range: { min: number; max: number }): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= range.min && count <= range.max) return count;
  throw usage(`${option} takes a number from ${range.min} to ${range.max}, not "${text}"`, `${option} 4`);
}

/**
 * One of `choices`.
 *
 * @throws CairnError `usage` naming `option`
 */
export function parseChoice<Choice extends string>(
  option: string,
  text: string,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw usage(`${option} takes one of ${choices.join(', ')}, not "${text}"`, `${option} ${choices[0] ?? ''}`);
}

const SIZE = /^(\d{1,15}(?:\.\d{1,6})?)(?:([KMGT])(iB|B)?|B)?$/i;
const SIZE_UNITS = 'KMGT';

/**
 * Bytes of a size; part of a byte is dropped.
 *
 * @throws CairnError `usage` naming `option`, also where the value is outside of `range` (bytes, inclusive)
 */
export function parseSize(option: string, text: string, range: { min: number; max: number }): number {
  const [, digits, unit, suffix] = SIZE.exec(text) ?? [];
  if (digits === undefined || (unit === undefined && digits.includes('.')))
    throw usage(`${option} takes a size, not "${text}"`, `${option} 8M (or 64K, 1.5GiB, 10MB)`);
  const base = suffix?.toUpperCase() === 'B' ? 1000 : 1024;
  const power = unit === undefined ? 0 : SIZE_UNITS.indexOf(unit.toUpperCase()) + 1;
  const bytes = Math.floor(Number(digits) * base ** power);
  if (bytes < range.min || bytes > range.max)
    throw usage(`${option} takes ${rangeText(range)}, not "${text}"`, `${option} 8M`);
  return bytes;
}

function rangeText({ min, max }: { min: number; max: number }): string {
  return max === Number.MAX_SAFE_INTEGER
    ? `at least ${sizeText(min)}`
    : `${sizeText(min)} to ${sizeText(max)}`;
}

/** A size as it may be written: `64K`, `8M`, or its bytes where they are no power of 1024. */
export function sizeText(bytes: number): string {
  let [value, power] = [bytes, 0];
  while (value > 0 && value % 1024 === 0 && power < SIZE_UNITS.length)
    [value, power] = [value / 1024, power + 1];
  return `${value}${SIZE_UNITS.charAt(power - 1)}`;
}

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

/** A duration as it may be written: `24d`, `1h30m`, `250ms`; the smaller units of a long one are left out. */
function durationText(ms: number): string {
  let rest = ms;
  const parts = UNITS.map(([name, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? '' : `${count}${name}`;
  }).filter((part) => part !== '');
  return parts.length === 0 ? '0' : parts.slice(0, 2).join('');
}
