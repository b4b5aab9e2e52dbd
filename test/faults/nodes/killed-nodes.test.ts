import { expect, test } from 'vitest';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { killNodes } from './killed-nodes.ts';
import { SKEW } from './node-lines.ts';
import { buildNode } from './scene.ts';

test('pushes and a pull over three nodes that are killed or stopped end well, and leave each tree whole or absent', async () => {
  const program = await buildNode();
  const report = await campaign(
    'nodes',
    'nodes over one store are killed or stopped',
    { sample: 2, full: 200 },
    (run) => killNodes(program, run),
  );
  checkTotals(() => {
    expect(report.faults).toBeGreaterThan(IS_FULL ? 300 : 0);
    expect(report.figures['publish calls']).toBeGreaterThan(0);
    if (IS_FULL) expect(report.figures['takeovers']).toBeGreaterThan(0);
  });
});

test('nodes whose clocks are an hour apart either way keep the same promises', async () => {
  const program = await buildNode();
  const aheadMs = [0, 3_600_000, -3_600_000];
  const report = await campaign(
    'nodes',
    'nodes with clocks an hour apart are killed or stopped',
    { sample: 1, full: 20 },
    (run) => killNodes(program, run, { environmentOf: (index) => ({ [SKEW]: String(aheadMs[index]) }) }),
  );
  checkTotals(() => expect(report.figures['publish calls']).toBeGreaterThan(0));
});
