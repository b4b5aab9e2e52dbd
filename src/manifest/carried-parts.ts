/**
 * Parts: of each file of which only some ranges are carried, these ranges.
 *
 * The canonical document is NDJSON: `["cairn-parts",1]`, then for each such file, by ascending number of its entry, lines
 * `[entry,[gap,length,gap,length,…]]`. A gap is the distance from the end of the range before, or from the start of
 * the file. A line has at most {@link RANGES_OF_A_LINE} ranges, and only where it has so many another line of the same
 * file follows, with at least one. Vectors: `fixtures/gear2/parts.json`.
 */
import { createHash } from 'node:crypto';
import { CairnError } from '../base/errors.ts';
import type { CarriedRanges } from './compare-recipe.ts';

/** Most ranges of one line. */
export const RANGES_OF_A_LINE = 1024;

/** The carried ranges by entry, ascending. A file that is not in it is carried as a whole. */
export type Parts = ReadonlyMap<number, CarriedRanges>;

const HEADER = '["cairn-parts",1]';

/** Yields the lines of the canonical document, each with its newline. */
export function* encodeParts(parts: Parts): Generator<string> {
  yield `${HEADER}\n`;
  for (const [entry, ranges] of parts) {
    let end = 0;
    for (let from = 0; from === 0 || from < ranges.length; from += 2 * RANGES_OF_A_LINE) {
      const line: number[] = [];
      const to = Math.min(from + 2 * RANGES_OF_A_LINE, ranges.length);
      for (let at = from; at < to; at += 2) {
        line.push(ranges[at]! - end, ranges[at + 1]!);
        end = ranges[at]! + ranges[at + 1]!;
      }
      yield `${JSON.stringify([entry, line])}\n`;
    }
  }
}

/** The SHA-256 of the canonical document, 64 hex digits. */
export function partsId(parts: Parts): string {
  const hash = createHash('sha256');
  for (const line of encodeParts(parts)) hash.update(line);
  return hash.digest('hex');
}

/** Bounds of a document that comes from the other side. */
export interface PartsBounds {
  /** The size of a file, or undefined where the entry is no file. */
  readonly sizeOf: (entry: number) => number | undefined;
  readonly maxRanges: number;
}

/** Takes the lines of a document one by one, without their newlines; throws CairnError `invalid-request`. */
export interface PartsReader {
  line(text: string): void;
  finish(): Parts;
}

/** Makes a {@link PartsReader}; its input is hostile until it has checked all of it. */
export function createPartsReader({ sizeOf, maxRanges }: PartsBounds): PartsReader {
  const parts = new Map<number, number[]>();
  let hasHeader = false;
  let last = -1;
  let end = 0;
  let left = maxRanges;
  /** Whether a line of the same file may follow. */
  let isFull = false;

  const begin = (entry: number, count: number): number[] => {
    if (entry === last && isFull && count > 0) return parts.get(entry)!;
    if (entry <= last) throw refused('a file is out of order or has a line too many');
    const ranges: number[] = [];
    parts.set(entry, ranges);
    last = entry;
    end = 0;
    return ranges;
  };
  const take = (ranges: number[], gap: number, length: number, sizeBytes: number): void => {
    if (gap < (ranges.length === 0 ? 0 : 1) || length < 1) throw refused('its ranges are not apart');
    const start = end + gap;
    end = start + length;
    if (end > sizeBytes) throw refused('a range lies behind the end of its file');
    ranges.push(start, length);
  };
  return {
    line: (text) => {
      if (!hasHeader) {
        if (text !== HEADER) throw refused('it has no header');
        hasHeader = true;
        return;
      }
      const [entry, numbers] = parseLine(text);
      const sizeBytes = sizeOf(entry);
      if (sizeBytes === undefined) throw refused(`entry ${entry} is no file`);
      const ranges = begin(entry, numbers.length);
      left -= numbers.length / 2;
      if (left < 0) throw refused(`it has more than ${maxRanges} ranges`);
      for (let at = 0; at < numbers.length; at += 2) take(ranges, numbers[at]!, numbers[at + 1]!, sizeBytes);
      isFull = numbers.length === 2 * RANGES_OF_A_LINE;
    },
    finish: () => {
      if (!hasHeader) throw refused('it is empty');
      return parts;
    },
  };
}

/** A line in canonical form; whole numbers only. */
function parseLine(text: string): readonly [entry: number, numbers: readonly number[]] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refused('a line is no JSON', error);
  }
  if (!Array.isArray(value) || value.length !== 2 || !Array.isArray(value[1]))
    throw refused('a line is no file');
  const [entry, numbers] = value as [unknown, unknown[]];
  const isWhole = (number: unknown): number is number =>
    Number.isSafeInteger(number) && (number as number) >= 0;
  if (!isWhole(entry) || !numbers.every(isWhole)) throw refused('a number is no whole one');
  if (numbers.length % 2 !== 0 || numbers.length > 2 * RANGES_OF_A_LINE)
    throw refused('a line has a wrong length');
  if (JSON.stringify(value) !== text) throw refused('a line is not in canonical form');
  return [entry, numbers];
}

function refused(why: string, cause?: unknown): CairnError {
  return new CairnError('invalid-request', `the parts of the plan are refused: ${why}`, { cause });
}
