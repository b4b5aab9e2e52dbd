import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIGEST_ALGORITHMS } from '../../src/manifest/digest.ts';
import { type CutSubject, decodeCuts, encodeCuts } from '../../src/manifest/kept-cuts-format.ts';
import { cutsOfSize } from '../support/cuts-of-size.ts';

const cuts = fc
  .tuple(
    fc.constantFrom(...DIGEST_ALGORITHMS),
    fc.array(fc.integer({ min: 16_384, max: 262_144 }), { minLength: 8, maxLength: 600 }),
    fc.string(),
    fc.boolean(),
  )
  .map(([digest, blocks, name, withChecks]) => {
    const all = cutsOfSize(digest, blocks);
    const subject: CutSubject = { name, digest, sizeBytes: all.recipe.sizeBytes };
    return { subject, kept: withChecks ? all : { recipe: all.recipe } };
  });

describe('kept cuts', () => {
  it('kept cuts are read as they were written, with checks or without', () => {
    fc.assert(
      fc.property(cuts, ({ subject, kept }) => {
        const read = decodeCuts(encodeCuts(subject, kept), subject);
        expect(read?.recipe.blocks.lengths).toEqual(kept.recipe.blocks.lengths);
        expect(read?.recipe.blocks.ids.equals(kept.recipe.blocks.ids)).toBe(true);
        expect(read?.checks).toEqual(kept.checks);
      }),
    );
  });

  it('kept cuts with a changed byte or missing bytes are not read', () => {
    fc.assert(
      fc.property(cuts, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ subject, kept }, place, change) => {
        const bytes = encodeCuts(subject, kept);
        const at = place % bytes.length;
        expect(decodeCuts(bytes.subarray(0, at), subject)).toBeUndefined();
        bytes[at]! ^= change;
        expect(decodeCuts(bytes, subject)).toBeUndefined();
      }),
    );
  });

  it('kept cuts are not read for a file with another name, size or digest', () => {
    fc.assert(
      fc.property(cuts, ({ subject, kept }) => {
        const bytes = encodeCuts(subject, kept);
        const others = [
          { ...subject, name: `${subject.name}x` },
          { ...subject, sizeBytes: subject.sizeBytes + 1 },
          { ...subject, digest: subject.digest === 'xxh64' ? ('sha256' as const) : ('xxh64' as const) },
        ];
        for (const other of others) expect(decodeCuts(bytes, other)).toBeUndefined();
      }),
    );
  });
});
