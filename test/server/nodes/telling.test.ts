/** What the servers of one store tell of themselves and of what they have in common. */
import { expect, test } from 'vitest';
import { openPrometheusMetrics } from '../../../src/server/operations/prometheus.ts';
import { ALICE, call, openPush, type Scene, until } from '../by-hand.ts';
import { openNodes } from './nodes-scene.ts';
import { directory, file, transferOf } from '../../suites/staged-transfer.ts';

const ALL = '/.cairn';

async function pageOf(scene: Scene): Promise<string[]> {
  const answer = await call(scene, 'GET', `${ALL}/metrics`, { token: ALICE });
  return answer.body.toString().split('\n');
}

/** The values of the lines of one metric, summed over all nodes, as a monitor does. */
async function sumOf(scenes: readonly Scene[], name: string): Promise<{ lines: number; sum: number }> {
  const pages = await Promise.all(scenes.map(pageOf));
  const lines = pages.flat().filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return { lines: lines.length, sum: lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0) };
}

test('the sum over all nodes of what they have in common is right, since the elected one alone tells it', async () => {
  const node = { id: 'node', count: () => 3 };
  const scene = await openNodes({ metrics: openPrometheusMetrics, node, limits: { collectEveryMs: 50 } });
  const { nodes } = scene;
  const transfer = transferOf(nodes[0].stores.content, 'in', [directory(''), file('a', 'a')]);
  await openPush(nodes[1], transfer);
  await until(async () => (await sumOf(nodes, 'cairn_nodes')).lines > 0);
  expect(await sumOf(nodes, 'cairn_nodes')).toEqual({ lines: 1, sum: 3 });
  await until(async () => (await sumOf(nodes, 'cairn_sessions')).sum > 0);
  expect((await sumOf(nodes, 'cairn_sessions')).sum).toBe(1);
  expect((await sumOf(nodes, 'cairn_staging_bytes')).lines).toBe(1);
  // What each node does by itself each of them tells.
  expect((await sumOf(nodes, 'cairn_commits_total')).lines).toBe(3);
});

test('a list of sessions at any node has those that were established at the others', async () => {
  const { nodes } = await openNodes();
  const [first, second, third] = nodes;
  const ids: string[] = [];
  for (const [number, node] of [first, second].entries()) {
    const transfer = transferOf(node.stores.content, `in-${number}`, [directory(''), file('a', 'a')]);
    ids.push((await openPush(node, transfer)).terms.session);
  }
  for (const node of [first, second, third]) {
    const answer = await call(node, 'GET', `${ALL}/v1/sessions`, { token: ALICE });
    for (const id of ids) expect(answer.body.toString()).toContain(id);
  }
});

test('a server that announces its end is not ready, and serves all the same', async () => {
  const { nodes } = await openNodes();
  const [node] = nodes;
  expect((await call(node, 'GET', `${ALL}/readyz`)).status).toBe(200);
  node.server.announceEnd();
  expect((await call(node, 'GET', `${ALL}/readyz`)).status).toBe(503);
  expect((await call(node, 'GET', `${ALL}/healthz`)).status).toBe(200);
  const transfer = transferOf(node.stores.content, 'in', [directory(''), file('a', 'a')]);
  await openPush(node, transfer);
});

test('all nodes of a store name it alike, and another store otherwise', async () => {
  const whoami = async (scene: Scene): Promise<Record<string, unknown>> =>
    (await call(scene, 'GET', `${ALL}/v1/whoami`, { token: ALICE })).json;
  const { nodes } = await openNodes({ node: { id: 'me', count: () => 3 } });
  const told = await Promise.all(nodes.map(whoami));
  expect(new Set(told.map(({ store }) => store)).size).toBe(1);
  expect(told[0]).toMatchObject({ node: 'me', nodes: 3 });
  const other = await openNodes({ sessionKey: new Uint8Array(32).fill(1) });
  expect((await whoami(other.nodes[0]))['store']).not.toBe(told[0]!['store']);
});
