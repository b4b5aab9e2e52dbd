/** What several servers over one store tell and count together, in a memory that may be away, emptied, or go back in time. */
import { expect, onTestFinished, test } from 'vitest';
import { openAccess } from '../../../src/cli/commands/serve/serve-access.ts';
import { removeTokens, addToken } from '../../../src/server/access/token-changes.ts';
import { firstTokenPath } from '../../../src/server/access/first-token.ts';
import { issueSecret } from '../../../src/session/credential.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { withBell } from '../../../src/storage/state/rung-state.ts';
import { createMemoryHub, type MemoryHub } from '../../support/memory-stores/memory-shared-memory.ts';
import { directory, file, transferOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { ALICE, type Answer, call, establish, openPush, until } from '../by-hand.ts';
import { at, openNodes, pushed, treeOf, type TestNode } from './nodes-scene.ts';

const CHUNK = 65_536;
const MAX_GUESSES = 10;
/** The plan of a client that has nothing. */
const EVERYTHING = JSON.stringify({ have: [], attributes: [] });
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Sends wrong tokens to the nodes in turn; answers how each was answered. */
async function guess(nodes: readonly TestNode[], times: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let count = 0; count < times; count += 1) {
    const node = nodes[count % nodes.length]!;
    statuses.push((await call(node, 'GET', '/x', { token: `guess-${count}` })).status);
  }
  return statuses;
}

const statusesOf = (refused: number, limited: number): number[] => [
  ...Array.from({ length: refused }, () => 401),
  ...Array.from({ length: limited }, () => 429),
];

test('an address has as many wrong tokens at three servers together as at one', async () => {
  const { nodes } = await openNodes({}, createMemoryObjects(), createMemoryHub());
  expect(await guess(nodes, 20)).toEqual(statusesOf(MAX_GUESSES, 10));
});

test('without a memory, or with one that is away, each of three servers counts wrong tokens for itself', async () => {
  const alone = await openNodes();
  expect(await guess(alone.nodes, 36)).toEqual(statusesOf(3 * MAX_GUESSES, 6));
  const hub = createMemoryHub();
  hub.isAway = true;
  const { nodes } = await openNodes({}, createMemoryObjects(), hub);
  expect(await guess(nodes, 36)).toEqual(statusesOf(3 * MAX_GUESSES, 6));
});

test('a memory that was emptied forgives an address nothing at a server that counted itself', async () => {
  const hub = createMemoryHub();
  const { nodes } = await openNodes({}, createMemoryObjects(), hub);
  expect(await guess([nodes[0]], MAX_GUESSES)).toEqual(statusesOf(MAX_GUESSES, 0));
  hub.empty();
  expect(await guess([nodes[0]], 5)).toEqual(statusesOf(0, 5));
});

/** Access as `cairn serve` opens it, over documents that are never looked at but when the bell rings. */
async function accessOver(
  objects: ReturnType<typeof createMemoryObjects>,
  hub: MemoryHub,
  lookEveryMs: number,
) {
  const state = withBell(createObjectState(objects, { lookEveryMs }), hub.node());
  const store = { state, secretFile: firstTokenPath(temporaryDirectory()) };
  const access = await openAccess(store, { oidc: undefined, limits: {} }, [], quiet);
  onTestFinished(() => access.close());
  return { access, store };
}

test.each([
  ['the bell alone, without a look', 2 ** 30, false],
  ['a look of its own, without the memory', 20, true],
])('a token that is revoked at one server ends at the others by %s', async (_how, lookEveryMs, isAway) => {
  const objects = createMemoryObjects();
  const hub = createMemoryHub();
  const all: Awaited<ReturnType<typeof accessOver>>[] = [];
  for (let count = 0; count < 3; count += 1) all.push(await accessOver(objects, hub, lookEveryMs));
  const { secret, hash } = issueSecret();
  const wish = { name: 'x', principal: 'x', hash, path: '', expiresAtMs: undefined, quota: undefined };
  await addToken(all[0]!.store, { ...wish, scopes: ['read'] });
  const known = await Promise.all(
    all.map(({ access }) =>
      access.authenticators[0]!.authenticate({ bearer: secret, connection: undefined }),
    ),
  );
  expect(known.map((each) => each?.principal)).toEqual(['x', 'x', 'x']);
  hub.isAway = isAway;
  await removeTokens(all[1]!.store, ['x']);
  for (const { access } of [all[0]!, all[2]!])
    await until(async () => access.authenticators[0]!.stands(known[0]!) === false);
});

test('a chunk that is on its way ends as soon as another server has given the session to a newer client', async () => {
  const { nodes } = await openNodes({}, createMemoryObjects(), createMemoryHub());
  const [one, other] = nodes;
  const session = await openPush(
    one,
    transferOf(one.stores.content, 'in', [directory(''), file('a', 3 * CHUNK)]),
  );
  const socket = await session.beginChunk(0, 1000);
  onTestFinished(() => void socket.destroy());
  let answer = '';
  socket.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  expect((await at(other, session).resume()).status).toBe(200);
  // Not one byte more was sent to the first server.
  await until(async () => answer.includes('session-fenced'));
});

test('the chunks of a pull cost no reads of its record, and those of a push one each', async () => {
  const objects = createMemoryObjects();
  let reads = 0;
  const counted: typeof objects = {
    ...objects,
    get: (key, options) => {
      if (key.startsWith('s/')) reads += 1;
      return objects.get(key, options);
    },
  };
  const { nodes } = await openNodes({}, counted, createMemoryHub());
  const transfer = transferOf(nodes[0].stores.content, 'in', [directory(''), file('a', 8 * CHUNK)]);
  const push = await openPush(nodes[0], transfer);
  reads = 0;
  for (let chunk = 0; chunk < 8; chunk += 1) expect((await push.putChunk(chunk)).status).toBe(200);
  expect(reads).toBe(8);
  expect((await push.commitToEnd()).status).toBe(200);
  const pull = await establish(nodes[0], transfer, 'pull');
  for (const [method, route] of [
    ['GET', 'manifest'],
    ['PUT', 'plan'],
  ] as const)
    expect((await pull.call(method, route, method === 'PUT' ? { body: EVERYTHING } : {})).status).toBe(200);
  const chunkAt = (chunk: number): Promise<Answer> =>
    at(nodes[chunk % 3]!, pull).call('GET', `chunks/${chunk}`);
  for (let chunk = 0; chunk < 3; chunk += 1) expect((await chunkAt(chunk)).status).toBe(200);
  reads = 0;
  for (let chunk = 0; chunk < 8; chunk += 1) expect((await chunkAt(chunk)).status).toBe(200);
  expect(reads).toBe(0);
});

test('a client that has resumed a pull at another server is refused nowhere, although the memory was away meanwhile and speaks of an older record', async () => {
  const hub = createMemoryHub();
  const { nodes } = await openNodes({}, createMemoryObjects(), hub);
  const [one, other] = nodes;
  const transfer = transferOf(one.stores.content, 'in', [directory(''), file('a', 2 * CHUNK)]);
  const push = await openPush(one, transfer);
  for (let chunk = 0; chunk < 2; chunk += 1) await push.putChunk(chunk);
  expect((await push.commitToEnd()).status).toBe(200);
  const pull = await establish(one, transfer, 'pull');
  expect((await pull.call('GET', 'manifest')).status).toBe(200);
  // The first server has the record of a session that is not open yet.
  hub.isAway = true;
  expect((await at(other, pull).sendPlan()).status).toBe(200);
  hub.isAway = false;
  expect((await at(one, pull).call('GET', 'chunks/0')).status).toBe(200);
  // And then one of an older epoch.
  hub.isAway = true;
  const newer = at(other, pull);
  expect((await newer.resume()).status).toBe(200);
  hub.isAway = false;
  expect((await at(one, newer).call('GET', 'chunks/1')).status).toBe(200);
});

test('a stale client is refused at every server while the memory still has what was before the takeover', async () => {
  const hub = createMemoryHub();
  const { nodes, record } = await openNodes({}, createMemoryObjects(), hub);
  const [one, other, third] = nodes;
  const transfer = treeOf(one, 'in');
  const stale = await pushed(one, transfer);
  hub.save();
  const newer = at(other, stale);
  expect((await newer.resume(ALICE)).status).toBe(200);
  hub.restore();
  for (const node of [one, other, third]) {
    const old = at(node, stale);
    expect((await old.putChunk(0)).json.code).toBe('session-fenced');
    expect((await old.commitToEnd()).json.code).toBe('session-fenced');
  }
  expect((await record(stale.terms.session))?.epoch).toBe(2);
  expect((await newer.commitToEnd()).status).toBe(200);
});
