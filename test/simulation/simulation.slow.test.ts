import { beforeAll, describe, expect, it } from 'vitest';
import { replayCommand, type Report } from './report.ts';
import { runSeed, type Stage } from './run-seed.ts';
import { runSeeds } from './run-seeds.ts';
import { openStage } from './stage.ts';

/** What runs with every `npm test`: as many as fit in the time. `npm run test:simulation -- --seeds 100000` runs more. */
const SAMPLE = { atLeast: 300, atMost: 2000, forMs: 10_000 };

/** What the smallest sample meets, unless the simulation has become blind. */
const MUST_MEET = [
  'crash',
  'power cut',
  'torn write',
  'failed sync',
  'cut connection',
  'lost answer',
  'takeover',
  'expired session',
  'lost request',
  'cut body',
  'partial chunk',
  'flipped bit',
  'full disk',
  'read-only disk',
  'pull kept in memory',
  'clock jump',
  'changed source',
  'compressed chunk',
];

describe('the simulation', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  });

  it(
    'breaks no promise in a sample of seeds, and meets every kind of fault in it',
    { timeout: 3_600_000 },
    async () => {
      const endMs = performance.now() + SAMPLE.forMs;
      const range = { from: 0, count: SAMPLE.atMost };
      const enough = ({ seeds }: Report): boolean => seeds >= SAMPLE.atLeast && performance.now() > endMs;
      const report = await runSeeds((seed) => runSeed(seed, stage), range, { enough });
      const found = report.violations.map(({ seed, what }) => `${replayCommand(seed)}\n${what}`);
      expect(found).toEqual([]);
      for (const what of MUST_MEET) expect(report.met, `no seed met: ${what}`).toHaveProperty([what]);
    },
  );

  it('is the same in every run of a seed', async () => {
    for (const seed of [3, 14, 15, 92, 653]) {
      const first = await runSeed(seed, stage);
      const second = await runSeed(seed, stage);
      expect([second.hash, second.steps, [...second.met]]).toEqual([first.hash, first.steps, [...first.met]]);
    }
  });

  it('is another in another seed', async () => {
    const [one, other] = [await runSeed(1, stage), await runSeed(2, stage)];
    expect(one.hash).not.toBe(other.hash);
  });
});
