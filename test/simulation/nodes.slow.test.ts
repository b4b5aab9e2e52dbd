import { beforeAll, describe, expect, it } from 'vitest';
import { runNodesSeed } from './nodes/run-nodes-seed.ts';
import type { LoadedRealm } from './realm.ts';
import { replayCommand, type Report } from './report.ts';
import { runSeeds } from './run-seeds.ts';
import { openNodesStage } from './stage.ts';

/** `npm run test:simulation -- --world nodes --seeds 10000` runs more. */
const SAMPLE = { atLeast: 60, atMost: 400, forMs: 10_000 };

/** What the smallest sample meets, unless the simulation has become blind. */
const MUST_MEET = [
  'killed node',
  'stopped node',
  'skewed clock',
  'late change',
  'unknown outcome',
  'lost store request',
  'lost race',
  'slow down',
  'cut answer of the store',
  'aborted while open',
  'published session',
  'finished command',
];

describe('the simulation of nodes over a bucket', () => {
  let realms: readonly LoadedRealm[];
  beforeAll(async () => {
    realms = await openNodesStage();
  });

  it(
    'breaks no promise in a sample of seeds, and meets every kind of fault in it',
    { timeout: 3_600_000 },
    async () => {
      const endMs = performance.now() + SAMPLE.forMs;
      const range = { from: 0, count: SAMPLE.atMost };
      const enough = ({ seeds }: Report): boolean => seeds >= SAMPLE.atLeast && performance.now() > endMs;
      const report = await runSeeds((seed) => runNodesSeed(seed, realms), range, { enough });
      const found = report.violations.map(({ seed, what }) => `${replayCommand(seed, 'nodes')}\n${what}`);
      expect(found).toEqual([]);
      for (const what of MUST_MEET) expect(report.met, `no seed met: ${what}`).toHaveProperty([what]);
    },
  );

  it('is the same in every run of a seed, and another one in another seed', async () => {
    const hashes = new Set<string>();
    for (const seed of [3, 14, 15]) {
      const first = await runNodesSeed(seed, realms);
      const second = await runNodesSeed(seed, realms);
      expect([second.hash, second.steps, [...second.met]]).toEqual([first.hash, first.steps, [...first.met]]);
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(3);
  });
});
