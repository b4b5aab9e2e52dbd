/** Numbers as a reader takes them in. */
import type { Verdict } from '../result.ts';
import { isMet } from '../result.ts';

const BYTES_PER_MB = 1_000_000;
const BYTES_PER_MIB = 1024 * 1024;

/** Seconds: three digits that count. */
export const seconds = (value: number): string =>
  value < 10 ? value.toFixed(value < 1 ? 3 : 2) : value.toFixed(1);

/** Megabytes of memory. */
export const megabytes = (bytes: number): string => (bytes / BYTES_PER_MB).toFixed(0);

/** Mebibytes a second; a dash where no bytes are counted. */
export const rate = (bytes: number | undefined, wallS: number): string =>
  bytes === undefined
    ? '–'
    : (bytes / BYTES_PER_MIB / wallS).toFixed(bytes / BYTES_PER_MIB / wallS < 10 ? 1 : 0);

/** A ratio. */
export const ratio = (value: number): string => {
  if (value >= 20) return value.toFixed(0);
  return value < 0.1 ? value.toPrecision(2) : value.toFixed(2);
};

const UNITS = { '×': ' ×', 's': ' s', 'MB': ' MB', '%': ' %' } as const;

/** What was measured, and how far from its target that is. */
export function verdictWords(verdict: Verdict): string {
  const { value, limit, unit, range } = verdict;
  const shown = `${ratio(value)}${UNITS[unit]}`;
  const spread = range === undefined ? '' : ` (rounds ${ratio(range[0])}–${ratio(range[1])})`;
  const off = Math.abs(value / limit - 1) * 100;
  const isAbove = value > limit;
  const distance = off < 0.5 ? 'just there' : `${off.toFixed(0)} % ${isAbove ? 'above' : 'below'}`;
  return `${isMet(verdict) ? 'met' : 'NOT met'}: ${shown}${spread}, ${distance}`;
}
