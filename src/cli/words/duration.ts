/** Durations as people write them: `250ms`, `30s`, `5m`, `1h`, `7d`; a bare number means seconds. */
import { usage } from './usage.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)?$/;

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
  const [, digits, unit = 's'] = DURATION.exec(text) ?? [];
  if (digits === undefined) {
    throw usage(`${option} takes a duration, not "${text}"`, `${option} 5m (or 250ms, 30s, 1h, 7d)`);
  }
  const ms = Math.round(Number(digits) * (UNIT_MS[unit] ?? 1000));
  const { minMs = 0, maxMs = MAX_TIMER_MS } = range;
  if (ms < minMs || ms > maxMs) {
    throw usage(
      `${option} takes ${minMs} ms to ${Math.floor(maxMs / 1000)} s, not "${text}"`,
      `${option} 5m`,
    );
  }
  return ms;
}
