/** `--limit NAME=VALUE` of `cairn serve`: what a server allows, by name. */
import { optionUsage } from '../../options/usage.ts';
import { parseDuration } from '../../options/duration.ts';
import { parseSize } from '../../options/size.ts';

/** What a limit counts, and how its value is written. */
export type LimitUnit = 'count' | 'size' | 'duration' | 'rate';

/** A limit as it is set on the command line. */
export interface LimitWord {
  readonly name: string;
  readonly unit: LimitUnit;
  /** Smallest and largest value: a count, bytes, milliseconds, or bytes a second. */
  readonly range: { readonly min: number; readonly max: number };
  /** Value of the word `unlimited`, where a limit can be none. */
  readonly unlimited?: number;
  /** One line for the list of limits. */
  readonly what: string;
}

const EXAMPLES: Readonly<Record<LimitUnit, string>> = {
  count: '100',
  size: '64K',
  duration: '30s',
  rate: '64',
};
const COUNT = /^\d{1,15}$/;

/** The value of one limit: a count, bytes, milliseconds, or bytes a second. @throws CairnError `usage` */
function parseValue({ name, unit, range, unlimited }: LimitWord, text: string): number {
  const option = `--limit ${name}`;
  if (text === 'unlimited' && unlimited !== undefined) return unlimited;
  if (unit === 'size') return parseSize(option, text, range);
  if (unit === 'duration') return parseDuration(option, text, { minMs: range.min, maxMs: range.max });
  const count = COUNT.test(text) ? Number(text) : Number.NaN;
  if (count >= range.min && count <= range.max) return count;
  const kind = unit === 'rate' ? 'bytes a second' : 'a number';
  throw optionUsage(
    '--limit',
    `${option} takes ${kind} from ${range.min} to ${range.max}, not "${text}"`,
    `${option}=${EXAMPLES[unit]}`,
  );
}

/**
 * The limits that are set, by name; the last one of a name counts.
 *
 * @throws CairnError `usage` for a name that is none and a value that does not fit
 */
export function parseLimits(
  words: readonly string[],
  known: readonly LimitWord[],
): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const word of words.flatMap((each) => each.split(','))) {
    const [, name = word, text] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    const limit = known.find((candidate) => candidate.name === name);
    if (limit === undefined) {
      throw optionUsage(
        '--limit',
        `there is no limit "${name}"; "cairn serve --limit help" lists all limits`,
        '--limit connections=1000',
      );
    }
    if (text === undefined || text === '') {
      throw optionUsage(
        '--limit',
        `--limit ${name} needs a value`,
        `--limit ${name}=${EXAMPLES[limit.unit]}`,
      );
    }
    values.set(name, parseValue(limit, text));
  }
  return values;
}
