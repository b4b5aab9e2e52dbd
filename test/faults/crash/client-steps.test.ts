import { expect, test } from 'vitest';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace } from '../support/strace.ts';
import { killClientAt, recordClient } from './client-kill.ts';
import { prepareScenario } from './scenario.ts';
import { stepOf, twoStepsOf } from './steps.ts';

/** With sync points of its own for each chunk the receiver, which a pull's client is, has more steps. */
const CASES = [
  { direction: 'push', sync: 'group' },
  { direction: 'pull', sync: 'group' },
  { direction: 'pull', sync: 'always' },
] as const;

test.skipIf(!canTrace).each(CASES)(
  'a client that is killed at any step of a $direction (sync $sync) moves nothing again that a checkpoint has',
  async ({ direction, sync }) => {
    const scenario = await prepareScenario(direction, { extraArgs: ['--sync', sync] });
    const steps = await recordClient(scenario);
    const name = `client killed at every step of a ${direction} (sync ${sync})`;
    const report = await campaign('crash', name, { sample: 3, full: steps.length }, (run) =>
      killClientAt(scenario, [stepOf(steps, run.seed)], run),
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(IS_FULL ? steps.length * 0.9 : 1));
  },
);

test.skipIf(!canTrace).each(['push', 'pull'] as const)(
  'a client that is killed in a %s, and again in its next run, moves nothing again that a checkpoint has',
  async (direction) => {
    const scenario = await prepareScenario(direction);
    const steps = await recordClient(scenario);
    const name = `client killed twice in a ${direction}`;
    const report = await campaign('crash', name, { sample: 1, full: 215 }, (run) =>
      killClientAt(scenario, twoStepsOf(steps, run.random), run),
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(IS_FULL ? report.runs : 0));
  },
);
