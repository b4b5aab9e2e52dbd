import { expect, test } from 'vitest';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { killAtRandom, writeLargerTree } from './random-kills.ts';
import { prepareScenario } from './scenario.ts';

const MAX_KILLS = 6;

test.each(['push', 'pull'] as const)(
  'a %s of 48 MiB and 500 small files ends well, however often either side is killed meanwhile',
  async (direction) => {
    const scenario = await prepareScenario(direction, { chunkBytes: 256 * 1024, write: writeLargerTree });
    const name = `killed at random times of a larger ${direction}`;
    const report = await campaign('crash', name, { sample: 1, full: 40 }, (run) =>
      killAtRandom(scenario, 1 + Math.floor(run.random() * MAX_KILLS), run),
    );
    checkTotals(() => {
      expect(report.faults).toBeGreaterThan(IS_FULL ? 60 : 0);
      expect(report.figures['wire bytes']).toBeGreaterThan(report.figures['payload bytes'] ?? Infinity);
    });
  },
);
