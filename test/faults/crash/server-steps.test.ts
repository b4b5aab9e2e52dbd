import { expect, test } from 'vitest';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace } from '../support/strace.ts';
import { killFirstStartAt, recordFirstStart } from './first-start.ts';
import { prepareScenario } from './scenario.ts';
import { killServerAt, recordServer } from './server-kill.ts';
import { stepOf, twoStepsOf } from './steps.ts';

/** With sync points of its own for each chunk a push has more steps, in another order. */
const CASES = [
  { direction: 'push', sync: 'group' },
  { direction: 'push', sync: 'always' },
  { direction: 'pull', sync: 'group' },
] as const;

test.skipIf(!canTrace).each(CASES)(
  'a server that is killed at any step of a $direction (sync $sync) starts again, and its client finishes',
  async ({ direction, sync }) => {
    const scenario = await prepareScenario(direction, { extraArgs: ['--sync', sync] });
    const steps = await recordServer(scenario);
    const name = `server killed at every step of a ${direction} (sync ${sync})`;
    const report = await campaign('crash', name, { sample: 3, full: steps.length }, (run) =>
      killServerAt(scenario, [stepOf(steps, run.seed)], run),
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(IS_FULL ? steps.length * 0.9 : 1));
  },
);

test.skipIf(!canTrace).each(['push', 'pull'] as const)(
  'a server that is killed in a %s, and again while it recovers, loses nothing that it said to have',
  async (direction) => {
    const scenario = await prepareScenario(direction);
    const steps = await recordServer(scenario);
    const name = `server killed twice in a ${direction}`;
    const report = await campaign('crash', name, { sample: 1, full: 170 }, (run) =>
      killServerAt(scenario, twoStepsOf(steps, run.random), run),
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(IS_FULL ? report.runs : 0));
  },
);

test.skipIf(!canTrace)(
  'a server that is killed at any step of its very first start begins well with the next one',
  async () => {
    const steps = await recordFirstStart();
    const report = await campaign(
      'crash',
      'server killed at every step of its first start',
      { sample: 3, full: steps.length },
      (run) => killFirstStartAt(stepOf(steps, run.seed), run),
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(IS_FULL ? steps.length * 0.9 : 1));
  },
);
