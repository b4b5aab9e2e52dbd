import { describe, expect, it } from 'vitest';
import { createAdaptiveWidth } from '../../../src/storage/objects/s3/adaptive-width.ts';

/** Works that end when the test says so. */
function manyWorks(): { work: () => Promise<void>; running: () => number; endOne: () => Promise<void> } {
  const ends: (() => void)[] = [];
  return {
    work: () => new Promise((resolve) => ends.push(resolve)),
    running: () => ends.length,
    endOne: async () => {
      ends.shift()?.();
      // The next one begins in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('concurrency control of a node', () => {
  it('the concurrency control lets as many requests run as its width, the others in their turn', async () => {
    const width = createAdaptiveWidth({ initial: 3, max: 10 });
    const works = manyWorks();
    const all = Array.from({ length: 5 }, () => width.run(works.work));
    await settled();
    expect(works.running()).toBe(3);
    for (let left = 5; left > 0; left -= 1) await works.endOne();
    await Promise.all(all);
  });

  it('the width grows by one when a full round has gone well, up to its bound', async () => {
    const width = createAdaptiveWidth({ initial: 4, max: 5 });
    const works = manyWorks();
    const all = Array.from({ length: 8 }, () => width.run(works.work));
    await settled();
    for (let round = 0; round < 5; round += 1) width.grow();
    expect(Math.floor(width.width)).toBe(5);
    for (let round = 0; round < 50; round += 1) width.grow();
    expect(width.width).toBe(5);
    for (let left = 8; left > 0; left -= 1) await works.endOne();
    await Promise.all(all);
  });

  it('the width does not grow while it is not used', () => {
    const width = createAdaptiveWidth({ initial: 4, max: 100 });
    for (let round = 0; round < 50; round += 1) width.grow();
    expect(width.width).toBe(4);
  });

  it('the width is halved once for all requests that were under way, and never below one', () => {
    let nowMs = 1000;
    const width = createAdaptiveWidth({ initial: 16, max: 100 }, () => nowMs);
    for (const beganAtMs of [900, 950, 999]) width.shrink(beganAtMs);
    expect(width.width).toBe(8);
    for (let round = 0; round < 10; round += 1) {
      width.shrink(nowMs);
      nowMs += 1;
    }
    expect(width.width).toBe(1);
  });
});
