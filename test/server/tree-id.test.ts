/** The id of a tree, for whoever may push to its place. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createManifest, TREE_ID_PARAMETERS } from '../../src/manifest/manifest.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { directory, file, putTree, symlink } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { ALICE, BOB, call, KINDS, openScene, type Answer, type Scene } from './by-hand.ts';

const TREE_ID = '/.cairn/v1/tree-id';
const TREE = [directory(''), directory('d'), file('d/f', 'bytes'), file('g', 70_000), symlink('l', 'd/f')];

const ask = (scene: Scene, target: string, token: string | undefined = ALICE): Promise<Answer> =>
  call(scene, 'POST', TREE_ID, { token, body: JSON.stringify({ target }) });

describe.each(KINDS)('over %s', (kind) => {
  test('the id of a tree is that of its manifest, and changes with its entries', async () => {
    const scene = await openScene(kind);
    await putTree(scene.stores.content, 'some/tree', TREE);
    const { id } = createManifest(
      TREE_ID_PARAMETERS,
      TREE.map(({ entry }) => entry),
    );
    expect((await ask(scene, '/some/tree')).json).toEqual({ id });
    await putTree(scene.stores.content, 'some/tree', [directory(''), file('h', '')]);
    const other = await ask(scene, '/some/tree');
    expect(other.json.id).toMatch(/^[0-9a-f]{64}$/);
    expect(other.json.id).not.toBe(id);
  });

  test('the id of a tree is null where there is no tree', async () => {
    expect((await ask(await openScene(kind), '/nothing')).json).toEqual({ id: null });
  });

  test('the id of a tree is refused to a client that may not push there', async () => {
    const authenticators = [
      createStaticToken(ALICE, { id: 'token:alice', principal: 'alice', scopes: ['read', 'list'] }),
      createStaticToken(BOB, {
        id: 'token:bob',
        principal: 'bob',
        scopes: ['write'],
        pathPrefix: 'bobs',
      }),
    ];
    const scene = await openScene(kind, { authenticators });
    expect((await ask(scene, '/x', 'somebody else')).status).toBe(401);
    expect((await ask(scene, '/x')).json.code).toBe('forbidden');
    expect((await ask(scene, '/x', BOB)).json.code).toBe('forbidden');
    expect((await ask(scene, '/bobs/../x', BOB)).json.code).toBe('path-unsafe');
    expect((await ask(scene, '/bobs/x', BOB)).json).toEqual({ id: null });
  });

  test('the id of a tree is asked for with a target, and with POST', async () => {
    const scene = await openScene(kind);
    expect((await call(scene, 'POST', TREE_ID, { token: ALICE, body: '{}' })).json.code).toBe(
      'invalid-request',
    );
    expect((await call(scene, 'GET', TREE_ID, { token: ALICE })).status).toBe(405);
  });
});

test('the id of a tree is null if it has an entry that no manifest can have', async () => {
  const root = temporaryDirectory();
  const scene = await openScene('local disk', { root });
  await putTree(scene.stores.content, 't', TREE);
  execFileSync('mkfifo', [path.join(root, 't/d/pipe')]);
  expect((await ask(scene, '/t')).json).toEqual({ id: null });
});

const SETTLING: readonly [string, settle: () => Promise<boolean>, id: RegExp | null | undefined][] = [
  ['is answered once its entries are durable', async () => true, /^[0-9a-f]{64}$/],
  ['is null if making its entries durable would take long', async () => false, null],
  [
    'is not answered if making its entries durable fails',
    async () => {
      throw new CairnError('storage-io', 'the disk fails');
    },
    undefined,
  ],
];

test.each(SETTLING)('the id of a tree %s', async (_what, settle, id) => {
  const steps: string[] = [];
  const wrap = (content: ContentStore): ContentStore => ({
    ...content,
    async *scan(...given) {
      for await (const batch of content.scan(...given)) {
        steps.push('scan');
        yield batch;
      }
    },
    settle: () => {
      steps.push('settle');
      return settle();
    },
  });
  const scene = await openScene('memory', { wrap });
  await putTree(scene.stores.content, 't', TREE);
  const { json } = await ask(scene, '/t');
  if (id instanceof RegExp) expect(json.id).toMatch(id);
  else expect(json.id).toBe(id);
  expect([steps[0], steps.at(-1)]).toEqual(['scan', 'settle']);
});

test('the ids of trees are computed for few requests at a time, and only while their clients wait', async () => {
  let scans = 0;
  let batches = 0;
  const wrap = (content: ContentStore): ContentStore => ({
    ...content,
    properties: content.properties,
    async *scan() {
      scans += 1;
      for (;;) {
        batches += 1;
        yield [];
        await delay(5);
      }
    },
  });
  const scene = await openScene('memory', { wrap });
  const controller = new AbortController();
  const waitWith = (token: string): Promise<unknown> =>
    fetch(`http://127.0.0.1:${scene.server.port}${TREE_ID}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: '{"target":"/t"}',
      signal: controller.signal,
    }).catch((error: unknown) => error);
  const busy = { code: 'server-busy', details: { limit: 'tree-ids' } };
  const waiting = [waitWith(ALICE), waitWith(ALICE)];
  await vi.waitFor(() => expect(scans).toBe(2));
  expect((await ask(scene, '/t')).json).toMatchObject(busy);
  waiting.push(waitWith(BOB), waitWith(BOB));
  await vi.waitFor(() => expect(scans).toBe(4));
  expect((await ask(scene, '/t', BOB)).json).toMatchObject(busy);
  controller.abort();
  await Promise.all(waiting);
  let seen: number;
  do {
    seen = batches;
    await delay(100);
  } while (batches > seen);
  expect(scans).toBe(4);
});
