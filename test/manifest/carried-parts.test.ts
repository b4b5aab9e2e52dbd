import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import {
  createPartsReader,
  encodeParts,
  partsId,
  RANGES_OF_A_LINE,
  type Parts,
} from '../../src/manifest/carried-parts.ts';

const SIZE = 2 ** 50;
const bounds = { sizeOf: () => SIZE as number | undefined, maxRanges: 1_000_000 };

const ranges = (maxLength: number): fc.Arbitrary<number[]> =>
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 1e6 })), { maxLength })
    .map((steps) => {
      let end = -1;
      return steps.flatMap(([gap, length]) => {
        const start = end + gap;
        end = start + length;
        return [start, length];
      });
    });
const arbitraryParts: fc.Arbitrary<Parts> = fc
  .dictionary(fc.nat(1e6).map(String), ranges(20))
  .map((byEntry) => new Map(Object.entries(byEntry).map(([entry, each]) => [Number(entry), each])));

/** So many ranges of one byte, each a byte behind the one before. */
const manyRanges = (count: number): number[] => Array.from({ length: count }, (_, at) => [2 * at, 1]).flat();

function read(lines: Iterable<string>, limits = bounds): Parts {
  const reader = createPartsReader(limits);
  for (const line of lines) reader.line(line);
  return reader.finish();
}
const linesOf = (parts: Parts): string[] => [...encodeParts(parts)].map((line) => line.trimEnd());

function codeOf(lines: string[], limits = bounds): string {
  try {
    read(lines, limits);
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

describe('the document of parts', () => {
  const vectors = JSON.parse(
    readFileSync(path.resolve(import.meta.dirname, '../../fixtures/gear2/parts.json'), 'utf8'),
  ) as { title: string; parts: [number, number[]][]; document: string[]; id: string }[];

  it.each(vectors)('of $title is what it always was', ({ parts, document, id }) => {
    const map = new Map(parts);
    expect(linesOf(map)).toEqual(document);
    expect(partsId(map)).toBe(id);
    expect([...read(document)]).toEqual(parts);
  });

  it('says the same when it is read', () => {
    fc.assert(
      fc.property(arbitraryParts, (parts) => {
        expect(read(linesOf(parts))).toEqual(parts);
      }),
    );
  });

  it.each([1, 1023, 1024, 1025, 2048, 5000])('takes short lines for %d ranges', (count) => {
    const parts = new Map([[3, manyRanges(count)]]);
    const lines = linesOf(parts);
    expect(lines).toHaveLength(1 + Math.ceil(count / RANGES_OF_A_LINE));
    expect(read(lines)).toEqual(parts);
  });

  it('has one form only: what is accepted is what would be written', () => {
    const part = fc.oneof(fc.nat(5), fc.array(fc.nat(5), { maxLength: 6 }));
    const line = fc.array(part, { maxLength: 3 }).map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        const document = ['["cairn-parts",1]', ...lines];
        if (codeOf(document) === 'accepted') expect(linesOf(read(document))).toEqual(document);
        else expect(codeOf(document)).toBe('invalid-request');
      }),
    );
  });

  it.each([
    ['nothing at all', []],
    ['no header', ['[0,[0,1]]']],
    ['a header of another version', ['["cairn-parts",2]']],
    ['a header twice', ['["cairn-parts",1]', '["cairn-parts",1]']],
    ['a line that is no JSON', ['["cairn-parts",1]', '[0,']],
    ['a space', ['["cairn-parts",1]', '[0, [0,1]]']],
    ['an entry twice', ['["cairn-parts",1]', '[0,[0,1]]', '[0,[1,1]]']],
    ['entries out of order', ['["cairn-parts",1]', '[1,[0,1]]', '[0,[0,1]]']],
    ['a range that touches the one before', ['["cairn-parts",1]', '[0,[0,1,0,1]]']],
    ['an empty range', ['["cairn-parts",1]', '[0,[0,0]]']],
    ['a range without a length', ['["cairn-parts",1]', '[0,[0]]']],
    ['a range over the end of the file', ['["cairn-parts",1]', `[0,[${SIZE - 1},2]]`]],
    ['a negative gap', ['["cairn-parts",1]', '[0,[5,1,-3,1]]']],
    ['half a byte', ['["cairn-parts",1]', '[0,[0.5,1]]']],
    ['a number that is not exact', ['["cairn-parts",1]', '[0,[9007199254740993,1]]']],
    ['a line that goes on from a full one with nothing', ['["cairn-parts",1]', fullLine(), '[0,[]]']],
    ['a line that is too long', ['["cairn-parts",1]', `[0,[0,1${',1,1'.repeat(RANGES_OF_A_LINE)}]]`]],
  ])('is refused with %s', (_, lines) => {
    expect(codeOf(lines)).toBe('invalid-request');
  });

  it('is refused with more ranges than its bound, and with an entry that is no file', () => {
    const lines = linesOf(new Map([[0, manyRanges(5)]]));
    expect(codeOf(lines, { ...bounds, maxRanges: 5 })).toBe('accepted');
    expect(codeOf(lines, { ...bounds, maxRanges: 4 })).toBe('invalid-request');
    expect(codeOf(lines, { ...bounds, sizeOf: () => undefined })).toBe('invalid-request');
  });
});

function fullLine(): string {
  return `[0,[0,1${',1,1'.repeat(RANGES_OF_A_LINE - 1)}]]`;
}
