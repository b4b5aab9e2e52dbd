/** Limits of bandwidth as people write them: `10M`, or by the time of day, `08:00,1M 19:00,off`. */
import type { BandwidthRate } from '../../client/api/reach.ts';
import { parseSize } from './quantities.ts';
import { usage } from './usage.ts';

/** From a minute of the day on: bytes a second, or none. */
interface Part {
  readonly fromMinute: number;
  readonly rate: number | undefined;
}

/** Slower than this a line is no line: the other side would take it for dead. */
const RATE_RANGE = { min: 1024, max: Number.MAX_SAFE_INTEGER };
const TIMED = /^([01]?\d|2[0-3]):([0-5]\d),(.+)$/;
const MINUTES_A_DAY = 24 * 60;

/**
 * The rate that a word stands for; before the first time of the day the last one of the day before holds.
 *
 * @throws CairnError `usage` naming `option`
 */
export function parseBandwidth(option: string, text: string): BandwidthRate {
  const words = text.trim().split(/\s+/);
  const [only = ''] = words;
  if (words.length === 1 && !only.includes(',')) {
    const rate = parseRate(option, only);
    return () => rate;
  }
  const parts = words.map((word) => parsePart(option, word)).toSorted((a, b) => a.fromMinute - b.fromMinute);
  if (new Set(parts.map(({ fromMinute }) => fromMinute)).size < parts.length)
    throw usage(`${option} names the same time twice: "${text}"`, `${option} "08:00,1M 19:00,off"`);
  return (when) => {
    const minute = (when.getHours() * 60 + when.getMinutes()) % MINUTES_A_DAY;
    return (parts.findLast(({ fromMinute }) => fromMinute <= minute) ?? parts.at(-1))?.rate;
  };
}

function parsePart(option: string, word: string): Part {
  const [, hours, minutes, rate = ''] = TIMED.exec(word) ?? [];
  if (hours === undefined || minutes === undefined)
    throw usage(
      `${option} takes a time and a rate in each part, not "${word}"`,
      `${option} 10M, or "08:00,1M 19:00,off"`,
    );
  return { fromMinute: Number(hours) * 60 + Number(minutes), rate: parseRate(option, rate) };
}

function parseRate(option: string, word: string): number | undefined {
  return word === 'off' ? undefined : parseSize(option, word, RATE_RANGE);
}
