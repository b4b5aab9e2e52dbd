/** Files for tests of the chunker, and files that changed. */
import fc from 'fast-check';
import { fileOf } from '../../fixtures/gear2/twin.js';

type Piece = readonly [string | number, number];

const piece: fc.Arbitrary<Piece> = fc.tuple(
  fc.oneof({ weight: 4, arbitrary: fc.string({ maxLength: 4 }) }, { weight: 1, arbitrary: fc.nat(255) }),
  fc.oneof(fc.nat(600), fc.nat(50_000)),
);
const pieces = fc.array(piece, { maxLength: 8, size: 'max' });

/** A file of up to 400 KB. */
export const arbitraryFile: fc.Arbitrary<Buffer> = pieces.map(fileOf);

/** An old file and a new one: pieces of it in another order, some twice or not at all, and new ones between them. */
export const changedFile: fc.Arbitrary<{ older: Buffer; newer: Buffer }> = pieces.chain((before) =>
  fc
    .array(fc.oneof(piece, ...before.map((known) => fc.constant(known))), { maxLength: 8, size: 'max' })
    .map((after) => ({ older: fileOf(before), newer: fileOf(after) })),
);

/** Places to cut the bytes of a file at, as they are fed. */
export const arbitraryCuts = fc.array(fc.nat(), { maxLength: 5 });

/** Cuts bytes at these places. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}
