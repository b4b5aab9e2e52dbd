/**
 * The document of the parts of a plan: how each file of which only some ranges are carried is made.
 *
 * It is NDJSON: `["cairn-parts",1]`, then for each such file, by ascending number of its entry, a line `[entry,"checks"]`
 * and lines `[length,from,length,from,…]` with its ranges in order, which have all of its bytes. `from` is the offset of a
 * range in the old file, or -1 where it is carried. Checks are the ids of each {@link CHECK_BYTES} of the new file in base64.
 */
import { createHash } from 'node:crypto';
import { CairnError } from '../base/errors.ts';
import { type Assembly, rangesInOrder } from './assembly.ts';
import type { Recipe } from './recipe.ts';

/** Bytes of a file that one check covers; the last one may cover fewer. */
export const CHECK_BYTES = 64 * 1024 * 1024;
/** The least and the most bytes of a file that has parts. */
export const PARTS_FILE_BYTES = { min: 1024 * 1024, max: 64 * 1024 ** 3 } as const;
/** Whether a file of so many bytes may have parts, and be the older version of one. */
export function mayHaveParts(sizeBytes: number): boolean {
  return sizeBytes >= PARTS_FILE_BYTES.min && sizeBytes <= PARTS_FILE_BYTES.max;
}

/** Most ranges of all files of one transfer. */
export const MAX_RANGES = 2 ** 20;
/** Longest document, in bytes. */
export const MAX_PARTS_BYTES = 40 * 1024 * 1024;

/** Ranges of one line. */
const RANGES_OF_A_LINE = 1024;
const HEADER = '["cairn-parts",1]';
const CARRIED = -1;

/** How files are assembled, by entry, ascending. A file that is not in it is carried whole. */
export type Parts = ReadonlyMap<number, Assembly>;

/** The bytes of a file that are copied from the old one. */
export function copiedBytesOf({ copied }: Pick<Assembly, 'copied'>): number {
  let bytes = 0;
  for (let at = 1; at < copied.length; at += 3) bytes += copied[at]!;
  return bytes;
}

/** The lengths of the checks of a file, in bytes. */
export function checkLengths(sizeBytes: number): Uint32Array {
  const lengths = new Uint32Array(Math.ceil(sizeBytes / CHECK_BYTES)).fill(CHECK_BYTES);
  if (lengths.length > 0) lengths[lengths.length - 1] = sizeBytes - (lengths.length - 1) * CHECK_BYTES;
  return lengths;
}

/** Yields the lines of the document, each with its newline. */
export function* encodeParts(parts: Parts): Generator<string> {
  yield `${HEADER}\n`;
  for (const [entry, assembly] of parts) {
    yield `${JSON.stringify([entry, assembly.recipe.blocks.ids.toString('base64')])}\n`;
    let line: number[] = [];
    for (const { isCarried, from, lengthBytes } of rangesInOrder(assembly)) {
      line.push(lengthBytes, isCarried ? CARRIED : from);
      if (line.length < 2 * RANGES_OF_A_LINE) continue;
      yield `${JSON.stringify(line)}\n`;
      line = [];
    }
    if (line.length > 0) yield `${JSON.stringify(line)}\n`;
  }
}

/** The SHA-256 of the document, 64 hex digits. */
export function partsId(parts: Parts): string {
  const hash = createHash('sha256');
  for (const line of encodeParts(parts)) hash.update(line);
  return hash.digest('hex');
}

/** What the reader of a document knows of the transfer. */
export interface PartsBounds {
  /** The size of a file, in bytes; undefined where the entry is no file. */
  readonly sizeOf: (entry: number) => number | undefined;
  /** Bytes of a check. */
  readonly idBytes: number;
}

/** Takes the lines of a document one by one, without their newlines; throws CairnError `invalid-request`. */
export interface PartsReader {
  line(text: string): void;
  finish(): Parts;
}

/** A file whose ranges are being read. */
interface Begun {
  readonly entry: number;
  readonly recipe: Recipe;
  readonly carried: number[];
  readonly copied: number[];
  endBytes: number;
  wasCarried: boolean;
  /** Whether a line of ranges may follow. */
  isOpen: boolean;
}

/** Makes a {@link PartsReader}; its input is hostile until it has checked all of it. */
export function createPartsReader({ sizeOf, idBytes }: PartsBounds): PartsReader {
  const parts = new Map<number, Assembly>();
  let hasHeader = false;
  let begun: Begun | undefined;
  let rangesLeft = MAX_RANGES;

  const begin = (entry: number, checks: string): Begun => {
    const sizeBytes = Number.isSafeInteger(entry) && entry >= 0 ? sizeOf(entry) : undefined;
    if (sizeBytes === undefined || !mayHaveParts(sizeBytes))
      throw refused(`entry ${entry} is no file of such a size`);
    if (begun !== undefined && entry <= begun.entry) throw refused('a file is out of order');
    const lengths = checkLengths(sizeBytes);
    const ids = Buffer.from(checks, 'base64');
    if (ids.byteLength !== lengths.length * idBytes || ids.toString('base64') !== checks)
      throw refused('a file has other checks than those of its size');
    const blocks = { count: lengths.length, lengths, ids, idBytes };
    return {
      entry,
      recipe: { sizeBytes, blocks },
      carried: [],
      copied: [],
      endBytes: 0,
      wasCarried: false,
      isOpen: true,
    };
  };
  const end = (): void => {
    if (begun === undefined) return;
    const { entry, recipe, carried, copied, endBytes } = begun;
    if (endBytes !== recipe.sizeBytes) throw refused('a file lacks its last bytes');
    parts.set(entry, { recipe, carried, copied });
  };
  return {
    line: (text) => {
      if (!hasHeader) {
        if (text !== HEADER) throw refused('it has no header');
        hasHeader = true;
        return;
      }
      const values = parseLine(text);
      const [first, second] = values;
      if (values.length === 2 && typeof first === 'number' && typeof second === 'string') {
        end();
        begun = begin(first, second);
        return;
      }
      if (begun?.isOpen !== true || !values.every(Number.isSafeInteger))
        throw refused('a line is out of place');
      rangesLeft -= values.length / 2;
      if (rangesLeft < 0) throw refused(`it has more than ${MAX_RANGES} ranges`);
      for (let at = 0; at < values.length; at += 2)
        addRange(begun, values[at] as number, values[at + 1] as number);
      begun.isOpen = values.length === 2 * RANGES_OF_A_LINE;
    },
    finish: () => {
      if (!hasHeader) throw refused('it is empty');
      end();
      return parts;
    },
  };
}

function addRange(begun: Begun, lengthBytes: number, from: number): void {
  const { carried, copied, recipe, endBytes, wasCarried } = begun;
  const isCarried = from === CARRIED;
  if (lengthBytes < 1 || endBytes + lengthBytes > recipe.sizeBytes || from < CARRIED)
    throw refused('a range lies outside of its file');
  if (isCarried && wasCarried) throw refused('its carried ranges are not apart');
  if (isCarried) carried.push(endBytes, lengthBytes);
  else copied.push(endBytes, lengthBytes, from);
  begun.endBytes += lengthBytes;
  begun.wasCarried = isCarried;
}

function parseLine(text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refused('a line is no JSON', error);
  }
  if (
    !Array.isArray(value) ||
    value.length === 0 ||
    value.length % 2 !== 0 ||
    value.length > 2 * RANGES_OF_A_LINE
  )
    throw refused('a line is no list of pairs');
  if (JSON.stringify(value) !== text) throw refused('a line is not in canonical form');
  return value as unknown[];
}

function refused(why: string, cause?: unknown): CairnError {
  return new CairnError('invalid-request', `the parts of the plan are refused: ${why}`, { cause });
}
