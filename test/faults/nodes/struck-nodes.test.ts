import { expect, test } from 'vitest';
import { createRandom } from '../../support/random.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { buildNode } from './scene.ts';
import { findStrikes, strikeNode, wakePublisher } from './struck-nodes.ts';

test('a node that dies at any of its changes of the store loses nothing: pushes and aborts end well at the others, and everything is collected', async () => {
  const program = await buildNode();
  const quiet = { seed: 0, random: createRandom(0), injected: () => undefined, add: () => undefined };
  const strikes = await findStrikes(program, quiet);
  const report = await campaign(
    'nodes',
    'a node is killed at a change of the store',
    { sample: 2, full: strikes.length },
    (run) => strikeNode(program, strikes[(run.seed - 1) % strikes.length]!, run),
  );
  checkTotals(() => expect(report.faults).toBeGreaterThan(0));
});

test('a publisher that was stopped, and wakes after another node has published newer files, brings nothing old back', async () => {
  const program = await buildNode();
  const report = await campaign(
    'nodes',
    'a publisher is stopped until newer files are published',
    { sample: 2, full: 50 },
    (run) => wakePublisher(program, run),
  );
  checkTotals(() => expect(report.figures['woken publishers']).toBe(report.runs));
});
