/** The proof that the simulation of nodes can find something: each rule is broken on purpose, in the source itself. */
import { describe, expect, it } from 'vitest';
import { NODE_MUTATIONS } from './nodes/mutations.ts';
import { runNodesSeed } from './nodes/run-nodes-seed.ts';
import { runSeeds } from './run-seeds.ts';
import { openNodesStage } from './stage.ts';

/** Seeds within which each of them has to be found. */
const MAX_SEEDS = 1000;

describe('the simulation of nodes finds that', () => {
  it.each(Object.entries(NODE_MUTATIONS))('%s', { timeout: 3_600_000 }, async (_name, mutation) => {
    const realms = await openNodesStage(mutation);
    const run = (seed: number) => runNodesSeed(seed, realms);
    const range = { from: 0, count: MAX_SEEDS };
    const report = await runSeeds(run, range, { enough: ({ violations }) => violations.length > 0 });
    expect(report.violations).not.toEqual([]);
  });
});
