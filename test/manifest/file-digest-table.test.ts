import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FileDigests } from '../../src/manifest/file-digest-table.ts';

const hex = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const known = fc.tuple(fc.integer({ min: 0, max: 10_000 }), fc.option(hex));

it('a table of file digests gives for each entry the digest that was set last', () => {
  fc.assert(
    fc.property(fc.array(known), (notes) => {
      const digests = new FileDigests();
      for (const [index, digest] of notes) digests.set(index, digest);
      const wanted = new Map(notes);
      expect(digests.size).toBe(wanted.size);
      for (const index of [0, 1, 2047, 2048, ...wanted.keys()]) {
        expect(digests.get(index)).toBe(wanted.get(index));
        expect(digests.has(index)).toBe(wanted.has(index));
      }
    }),
  );
});
