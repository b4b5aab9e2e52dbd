/** Quotas over several servers that tell each other what is coming, before any of them reads all records again. */
import { expect, test } from 'vitest';
import type { Authorization } from '../../../src/session/authorization.ts';
import { createStaticToken } from '../../../src/server/access/static-token.ts';
import { createUsageLedger } from '../../../src/server/core/quota/usage-ledger.ts';
import type { ServerLimits } from '../../../src/server/server-limits.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createMemoryHub, type MemoryHub } from '../../support/memory-stores/memory-shared-memory.ts';
import { directory, file, transferOf, type SampleTransfer } from '../../suites/staged-transfer.ts';
import { ALICE, call, establish, establishRequest, openPush, type Answer } from '../by-hand.ts';
import { openNodes, type Nodes, type TestNode } from './nodes-scene.ts';

const CHUNK = 65_536;
/** No server reads all records while a test runs, but once at its start. */
const NEVER_MS = 2 ** 30;

interface Wanted {
  readonly quota?: Authorization['quota'];
  readonly limits?: Partial<ServerLimits>;
}

/** Three servers that have read all records, of which there are none. @param hub none: they tell each other nothing */
async function open({ quota, limits }: Wanted, hub?: Pick<MemoryHub, 'node'>): Promise<Nodes['nodes']> {
  const quotas = quota === undefined ? {} : { quota };
  const authenticators = [createStaticToken(ALICE, { id: 'token:a', principal: 'alice', ...quotas })];
  // The ledger of real nodes is one document; one in memory stands for it.
  const usage = createUsageLedger();
  const changes = { authenticators, usage, limits: { collectEveryMs: NEVER_MS, ...limits } };
  const { nodes } = await openNodes(changes, createMemoryObjects(), hub);
  for (const node of nodes) await (await establish(node, sample(node, 'first'))).call('DELETE', '');
  return nodes;
}

function sample(node: TestNode, target: string, sizeBytes = 2 * CHUNK): SampleTransfer {
  return transferOf(node.stores.content, target, [directory(''), file('a', sizeBytes)]);
}

function ask(node: TestNode, target: string): Promise<Answer> {
  const request = establishRequest(sample(node, target), 'push', `/${target}`);
  return call(node, 'POST', '/.cairn/v1/sessions', { token: ALICE, body: JSON.stringify(request) });
}

/** Asks for six sessions at once, two at each server. */
async function askForSix(nodes: Nodes['nodes']): Promise<number[]> {
  const answers = await Promise.all([0, 1, 2, 3, 4, 5].map((n) => ask(nodes[n % 3]!, `tree-${n}`)));
  return answers.map(({ status }) => status).toSorted((a, b) => a - b);
}

test('a quota of sessions is exact over three servers, also when clients ask them at once', async () => {
  const nodes = await open({ quota: { sessions: 2 } }, createMemoryHub());
  expect(await askForSix(nodes)).toEqual([201, 201, 403, 403, 403, 403]);
});

test('without a memory, or while it is away, each server counts what it knows', async () => {
  expect(await askForSix(await open({ quota: { sessions: 2 } }))).toEqual([201, 201, 201, 201, 201, 201]);
  const hub = createMemoryHub();
  const nodes = await open({ quota: { sessions: 2 } }, hub);
  hub.isAway = true;
  expect(await askForSix(nodes)).toEqual([201, 201, 201, 201, 201, 201]);
});

test('a session that ends at one server makes room at the others at once, and a refused one takes none', async () => {
  const nodes = await open({ quota: { sessions: 1 } }, createMemoryHub());
  const session = await openPush(nodes[0], sample(nodes[0], 'a'));
  for (const node of nodes) expect((await ask(node, 'b')).json.code).toBe('quota-exceeded');
  expect((await session.call('DELETE', '')).status).toBe(200);
  expect((await ask(nodes[2], 'c')).status).toBe(201);
  expect((await ask(nodes[1], 'd')).json.code).toBe('quota-exceeded');
});

test('a quota of bytes counts what was agreed and what was published at other servers', async () => {
  const nodes = await open({ quota: { bytes: 5 * CHUNK } }, createMemoryHub());
  const first = await openPush(nodes[0], sample(nodes[0], 'a'));
  const second = await openPush(nodes[1], sample(nodes[1], 'b'));
  const third = await establish(nodes[2], sample(nodes[2], 'c'));
  await third.sendManifest();
  const refused = await third.sendPlan();
  expect(refused.json).toMatchObject({
    code: 'quota-exceeded',
    details: { limit: 5 * CHUNK, used: 4 * CHUNK },
  });
  for (let chunk = 0; chunk < 2; chunk += 1) await first.putChunk(chunk);
  expect((await first.commitToEnd()).json).toMatchObject({ state: 'committed' });
  // Published bytes count for ever, and those of an aborted push no more.
  expect((await third.sendPlan()).json.code).toBe('quota-exceeded');
  await second.call('DELETE', '');
  expect((await third.sendPlan()).status).toBe(200);
});

test('a plan that was refused at one server takes nothing of the quota at the others', async () => {
  const nodes = await open({ quota: { bytes: 3 * CHUNK } }, createMemoryHub());
  const first = await openPush(nodes[0], sample(nodes[0], 'a', CHUNK));
  const large = await establish(nodes[1], sample(nodes[1], 'b', 3 * CHUNK));
  await large.sendManifest();
  expect((await large.sendPlan()).json.code).toBe('quota-exceeded');
  await openPush(nodes[2], sample(nodes[2], 'c', 2 * CHUNK));
  expect((await first.putChunk(0)).status).toBe(200);
});

test.each([
  ['entries of one owner', { maxEntriesPerPrincipal: 3 }, 'sendManifest', 'quota-exceeded'],
  ['bytes in staging', { maxStagingBytes: 3 * CHUNK }, 'sendPlan', 'server-busy'],
] as const)('the limit of %s holds over all servers', async (_what, limits, step, code) => {
  const nodes = await open({ limits }, createMemoryHub());
  const first = await openPush(nodes[0], sample(nodes[0], 'a'));
  const second = await establish(nodes[1], sample(nodes[1], 'b'));
  if (step === 'sendPlan') await second.sendManifest();
  expect((await second[step]()).json.code).toBe(code);
  await first.call('DELETE', '');
  expect((await second[step]()).status).toBe(200);
});

test('a memory that was emptied, or went back, makes no server forget what it was told', async () => {
  const hub = createMemoryHub();
  const nodes = await open({ quota: { sessions: 2 } }, hub);
  hub.save();
  for (const target of ['a', 'b']) expect((await ask(nodes[0], target)).status).toBe(201);
  expect((await ask(nodes[1], 'c')).json.code).toBe('quota-exceeded');
  for (const lose of [hub.empty, hub.restore]) {
    lose();
    expect((await ask(nodes[0], 'd')).json.code).toBe('quota-exceeded');
    expect((await ask(nodes[1], 'e')).json.code).toBe('quota-exceeded');
  }
});
