import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createCutIndex, placesFrom } from '../../src/manifest/cut-index.ts';
import { createCutListBuilder, type CutList } from '../../src/manifest/cut-list.ts';
import { noise } from '../suites/staged-transfer.ts';

const ID_BYTES = 32;

/** Blocks of the same length with these ids. */
function listOf(ids: readonly Buffer[]): CutList {
  const builder = createCutListBuilder(ID_BYTES);
  for (const id of ids) {
    const { ids: out, at } = builder.add(16_384);
    id.copy(out, at);
  }
  return builder.finish();
}

describe('looking for blocks by their ids', () => {
  it('every block of an old file is found, in whatever order it is looked for', () => {
    const ids = Array.from({ length: 20_000 }, (_, index) => noise(ID_BYTES, `block ${index}`));
    const there = listOf(ids);
    const places = placesFrom(there, 0);
    const found = createCutIndex(there, places).placesOf(listOf(ids.toReversed()));
    expect(found).toEqual(places.toReversed());
  });

  it('ids that a hostile side made up to lie in one place cost no more than some looks each', () => {
    const ids = Array.from({ length: 2000 }, (_, index) => {
      const id = Buffer.alloc(ID_BYTES);
      id.writeUInt32BE(index, ID_BYTES - 4);
      return id;
    });
    const there = listOf(ids);
    const compared = vi.spyOn(Buffer.prototype, 'compare');
    onTestFinished(() => compared.mockRestore());
    const found = createCutIndex(there, placesFrom(there, 0)).placesOf(listOf(ids.toReversed()));
    expect(compared.mock.calls.length).toBeLessThanOrEqual(3 * 128 * ids.length);
    // What is found is right, and what is not found is carried.
    expect([...found].filter((place) => place >= 0).length).toBeGreaterThan(0);
    const isRight = (place: number, index: number): boolean =>
      place === -1 || place === (ids.length - 1 - index) * 16_384;
    expect(found.every(isRight)).toBe(true);
  });
});
