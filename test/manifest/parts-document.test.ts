import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { CairnError } from '../../src/base/errors.ts';
import { carriedPieces, rangesInOrder, sumOfRanges, type Assembly } from '../../src/manifest/assembly.ts';
import {
  CHECK_BYTES,
  checkLengths,
  copiedBytesOf,
  createPartsReader,
  encodeParts,
  MAX_RANGES,
  partsId,
  PARTS_FILE_BYTES,
  type Parts,
} from '../../src/manifest/parts-document.ts';

const ID_BYTES = 8;

/** A file of at least 1 MiB from steps: carried and copied ranges in turn. */
function assemblyOf(lengths: readonly number[], beginsCarried: boolean): Assembly {
  const carried: number[] = [];
  const copied: number[] = [];
  let end = 0;
  for (const [at, lengthBytes] of [...lengths, PARTS_FILE_BYTES.min].entries()) {
    if ((at % 2 === 0) === beginsCarried) carried.push(end, lengthBytes);
    else copied.push(end, lengthBytes, 7 * at);
    end += lengthBytes;
  }
  const checks = checkLengths(end);
  const ids = Buffer.alloc(checks.length * ID_BYTES, end);
  const blocks = { count: checks.length, lengths: checks, ids, idBytes: ID_BYTES };
  return { recipe: { sizeBytes: end, blocks }, carried, copied };
}
const arbitraryParts: fc.Arbitrary<Parts> = fc
  .dictionary(
    fc.nat(1e6).map(String),
    fc.tuple(fc.array(fc.integer({ min: 1, max: 1e6 }), { maxLength: 30 }), fc.boolean()),
  )
  .map((all) => new Map(Object.entries(all).map(([entry, made]) => [Number(entry), assemblyOf(...made)])));

function read(text: string, sizeOf: (entry: number) => number | undefined): Parts {
  const reader = createPartsReader({ sizeOf, idBytes: ID_BYTES });
  for (const line of text.split('\n').slice(0, -1)) reader.line(line);
  return reader.finish();
}
const textOf = (parts: Parts): string => [...encodeParts(parts)].join('');

describe('documents of parts', () => {
  test('a document of parts has one form, and is read as it was written', () => {
    fc.assert(
      fc.property(arbitraryParts, (parts) => {
        const again = read(textOf(parts), (entry) => parts.get(entry)?.recipe.sizeBytes);
        expect(again).toEqual(parts);
        expect(partsId(again)).toBe(partsId(parts));
      }),
    );
  });

  test('a document of parts takes several lines for a file with many ranges', () => {
    const parts = new Map([
      [
        3,
        assemblyOf(
          Array.from({ length: 5000 }, () => 5),
          true,
        ),
      ],
    ]);
    expect(textOf(parts).split('\n')).toHaveLength(1 + 1 + 5 + 1);
    expect(read(textOf(parts), () => parts.get(3)!.recipe.sizeBytes)).toEqual(parts);
  });

  const size = PARTS_FILE_BYTES.min;
  const checks = Buffer.alloc(ID_BYTES).toString('base64');
  const file = `["cairn-parts",1]\n[1,"${checks}"]\n`;
  test.each([
    ['nothing', ''],
    ['no header', `[1,"${checks}"]\n`],
    ['a file without its last bytes', `${file}[5,-1]\n`],
    ['a file without ranges', file],
    ['a range behind the end', `${file}[${size + 1},0]\n`],
    ['a range of nothing', `${file}[0,0,${size},0]\n`],
    ['a range before the beginning', `${file}[${size},-2]\n`],
    ['carried ranges that touch', `${file}[5,-1,${size - 5},-1]\n`],
    ['a line after one that was not full', `${file}[5,-1]\n[${size - 5},0]\n`],
    ['a file twice', `${file}[${size},0]\n[1,"${checks}"]\n[${size},0]\n`],
    ['an entry that is no file', `["cairn-parts",1]\n[2,"${checks}"]\n[${size},0]\n`],
    ['an entry that is no number', `["cairn-parts",1]\n[1.5,"${checks}"]\n[${size},0]\n`],
    ['too many checks', `["cairn-parts",1]\n[1,"${checks}${checks}"]\n[${size},0]\n`],
    ['a form that is not canonical', `${file}[ ${size},0]\n`],
    ['a fraction', `${file}[${size}.5,0]\n`],
    ['no list', `${file}{}\n`],
    ['no JSON', `${file}[\n`],
    ['a text in a range', `${file}[${size},"0"]\n`],
    ['a line too long', `${file}${JSON.stringify(Array.from({ length: 2050 }, () => 1))}\n`],
  ])('a document of parts with %s is refused', (_, text) => {
    const refused = (): unknown => read(text, (entry) => (entry === 2 ? undefined : size));
    expect(refused).toThrow(CairnError);
    expect(refused).toThrow('the parts of the plan are refused');
  });

  test('a document of parts with more ranges than there may be is refused', () => {
    const reader = createPartsReader({ sizeOf: () => PARTS_FILE_BYTES.max, idBytes: ID_BYTES });
    reader.line('["cairn-parts",1]');
    const count = PARTS_FILE_BYTES.max / CHECK_BYTES;
    reader.line(JSON.stringify([0, Buffer.alloc(count * ID_BYTES).toString('base64')]));
    const line = JSON.stringify(Array.from({ length: 1024 }, () => [1, 0]).flat());
    for (let lines = 0; lines < MAX_RANGES / 1024; lines += 1) reader.line(line);
    expect(() => reader.line(line)).toThrow('more than');
  });
});

test('a range of carried bytes is made of pieces that are these bytes in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 20 }),
      fc.boolean(),
      (lengths, begins) => {
        const assembly = assemblyOf(lengths, begins);
        const all = sumOfRanges(assembly.carried);
        const places: number[] = [];
        for (let at = 0; at < all; at += 1000) {
          for (const { from, to } of carriedPieces(assembly.carried, {
            from: at,
            to: Math.min(at + 1000, all),
          }))
            places.push(from, to - from);
        }
        expect(sumOfRanges(places)).toBe(all);
        expect(all + copiedBytesOf(assembly)).toBe(assembly.recipe.sizeBytes);
        let end = 0;
        for (const { lengthBytes } of rangesInOrder(assembly)) end += lengthBytes;
        expect(end).toBe(assembly.recipe.sizeBytes);
      },
    ),
  );
});
