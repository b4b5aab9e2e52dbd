import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openAccess, type ServeAccess } from '../../src/cli/commands/serve/serve-access.ts';
import { firstTokenPath, type TokenStore } from '../../src/server/access/first-token.ts';
import { addToken, removeTokens } from '../../src/server/access/token-changes.ts';
import { issueSecret } from '../../src/session/credential.ts';
import { openDirectoryObjects } from '../../src/storage/objects/directory/directory-objects.ts';
import { createMemoryObjects } from '../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../src/storage/objects/object-store.ts';
import { createObjectState } from '../../src/storage/state/objects/object-state.ts';
import { directory, file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { call, establishRequest, openPush, openScene, until, type Answer, type Scene } from './by-hand.ts';

const CHUNK = 65_536;
const HOUR_MS = 3_600_000;

/** A server of several, and what it decides with who may do what. */
interface Node extends Scene {
  readonly access: ServeAccess;
  readonly store: TokenStore;
}

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A server over objects that others have, too. Each opens the objects for itself. */
async function startNode(openObjects: () => Promise<ObjectStore>): Promise<Node> {
  const home = temporaryDirectory();
  const objects = await openObjects();
  const store = { state: createObjectState(objects, { lookEveryMs: 10 }), secretFile: firstTokenPath(home) };
  const access = await openAccess(store, { oidc: undefined, limits: {} }, [], quiet);
  onTestFinished(() => access.close());
  const { close: _, ...options } = access;
  return Object.assign(await openScene('memory', { ...options, objects }), { access, store });
}

async function twoNodes(): Promise<readonly [Node, Node]> {
  const home = path.join(temporaryDirectory(), 'objects');
  return [
    await startNode(() => openDirectoryObjects(home)),
    await startNode(() => openDirectoryObjects(home)),
  ];
}

/** Makes a token as a command does, beside the servers. */
async function makeToken({ store }: Node, name: string, quotaBytes?: number): Promise<string> {
  const { secret, hash } = issueSecret();
  const quota = quotaBytes === undefined ? undefined : { bytes: quotaBytes };
  const wish = { name, principal: name, hash, path: '', expiresAtMs: undefined, quota };
  await addToken(store, { ...wish, scopes: ['read', 'write', 'list'] });
  return secret;
}

const listGrants = (node: Node, token: string): Promise<Answer> =>
  call(node, 'GET', '/.cairn/v1/grants', { token });

function sample(node: Node, target: string): SampleTransfer {
  return transferOf(node.stores.content, target, [directory(''), file('a', 3 * CHUNK)]);
}

function begin(node: Node, target: string, token: string): Promise<Answer> {
  const request = establishRequest(sample(node, target), 'push', `/${target}`);
  return call(node, 'POST', '/.cairn/v1/sessions', { token, body: JSON.stringify(request) });
}

test('a token that is made at one server is good at the other, and refused there once it is revoked', async () => {
  const [one, other] = await twoNodes();
  const token = await makeToken(one, 'ci');
  for (const node of [one, other]) expect((await listGrants(node, token)).status).toBe(200);
  await removeTokens(one.store, ['ci']);
  for (const node of [one, other]) {
    await until(async () => (await listGrants(node, token)).status !== 200);
    expect((await listGrants(node, token)).json.code).toBe('token-revoked');
  }
});

test('a transfer stops at every server when its token is revoked at one', async () => {
  const [one, other] = await twoNodes();
  const token = await makeToken(one, 'ci');
  const session = await openPush(other, sample(other, 'in'), { token });
  expect((await session.putChunk(0)).status).toBe(200);
  await removeTokens(one.store, ['ci']);
  await until(async () => (await session.putChunk(1)).status !== 200);
  expect((await session.putChunk(1)).json.code).toBe('token-revoked');
});

test('a grant that one server issued is good at the other, and ends at both when either revokes it', async () => {
  const [one, other] = await twoNodes();
  const token = await makeToken(one, 'ci');
  const wish = { direction: 'push', target: '/inbox', expiresInMs: HOUR_MS };
  const issued = await call(one, 'POST', '/.cairn/v1/grants', { token, body: JSON.stringify(wish) });
  expect(issued.status).toBe(201);
  expect((await begin(other, 'inbox/a', issued.json.grant)).status).toBe(201);
  await until(async () => (await listGrants(other, token)).json.grants.length === 1);
  const revoked = await call(other, 'DELETE', `/.cairn/v1/grants/${issued.json.id}`, { token });
  expect(revoked.status).toBe(200);
  expect((await begin(other, 'inbox/b', issued.json.grant)).json.code).toBe('token-revoked');
  await until(async () => (await begin(one, 'inbox/c', issued.json.grant)).status !== 201);
  expect((await begin(one, 'inbox/d', issued.json.grant)).json.code).toBe('token-revoked');
});

test('servers that start together have one session key', async () => {
  const objects = createMemoryObjects();
  const nodes = await Promise.all(Array.from({ length: 4 }, () => startNode(async () => objects)));
  const keys = nodes.map(({ access }) => Buffer.from(access.sessionKey).toString('hex'));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toHaveLength(64);
});

test('bytes that one server publishes count against a quota at the other, and no charge is lost', async () => {
  const [one, other] = await twoNodes();
  const token = await makeToken(one, 'ci', 4 * CHUNK);
  const authorization = (await one.access.authenticators[0]!.authenticate({ bearer: token }))!;
  const charges = Array.from({ length: 20 }, (_, at) =>
    [one, other][at % 2]!.access.usage.charge(`s${at}`, [authorization], 10),
  );
  await Promise.all(charges);
  for (const { access } of [one, other])
    await until(async () => access.usage.publishedBytes(authorization.id) === 200);
  const session = await openPush(one, sample(one, 'first'), { token });
  for (const chunk of [0, 1, 2]) await session.putChunk(chunk);
  expect((await session.commit()).status).toBe(200);
  await until(async () => other.access.usage.publishedBytes(authorization.id) === 200 + 3 * CHUNK);
  const second = openPush(other, sample(other, 'second'), { token });
  await expect(second).rejects.toThrow('quota-exceeded');
});
