/** The request for grains: NDJSON of lines `[entry,[offset,length,offset,length,…]]`, the blocks of an old file in bytes. */
import { CairnError } from '../base/errors.ts';

/** Blocks of one line. */
const BLOCKS_OF_A_LINE = 1024;

/** The blocks of one entry in a line. */
export interface BlockLine {
  readonly entry: number;
  readonly blocks: readonly { readonly offset: number; readonly lengthBytes: number }[];
}

/** Yields the lines of one entry, each with its newline. */
export function* encodeBlockLines({ entry, blocks }: BlockLine): Generator<string> {
  for (let from = 0; from < blocks.length; from += BLOCKS_OF_A_LINE) {
    const numbers = blocks
      .slice(from, from + BLOCKS_OF_A_LINE)
      .flatMap(({ offset, lengthBytes }) => [offset, lengthBytes]);
    yield `${JSON.stringify([entry, numbers])}\n`;
  }
}

/**
 * Reads a line, without its newline.
 *
 * @param entries every entry is below this
 * @param maxBlockBytes most bytes of a block
 * @throws CairnError `invalid-request`
 */
export function parseBlockLine(line: string, entries: number, maxBlockBytes: number): BlockLine {
  const [entry, numbers] = listOf(parse(line));
  const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isWhole(entry) || entry >= entries) throw refused('there is no such entry');
  const values = listOf(numbers);
  if (values.length % 2 !== 0 || values.length > 2 * BLOCKS_OF_A_LINE || !values.every(isWhole))
    throw refused('a line has no list of blocks');
  const blocks = [];
  for (let at = 0; at < values.length; at += 2) {
    const [offset, lengthBytes] = [values[at]!, values[at + 1]!];
    if (lengthBytes < 1 || lengthBytes > maxBlockBytes) throw refused('a block has a wrong length');
    blocks.push({ offset, lengthBytes });
  }
  return { entry, blocks };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw refused('a line is no JSON', error);
  }
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  throw refused('a line is no list');
}

function refused(why: string, cause?: unknown): CairnError {
  return new CairnError('invalid-request', `the request for grains is refused: ${why}`, { cause });
}
