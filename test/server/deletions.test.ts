/** Pushes that delete what they do not have: the list, how it is taken, and how a commit carries it out. */
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createDeletions, encodeDeletions } from '../../src/manifest/deletions.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import type { Scope } from '../../src/session/scopes.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { expectTree } from '../suites/expected-tree.ts';
import { directory, file, putTree, symlink, transferOf, type Item } from '../suites/staged-transfer.ts';
import {
  ALICE,
  call,
  establish,
  establishRequest,
  interceptChunks,
  KINDS,
  linesOf,
  openPush,
  openScene,
  type Answer,
  type HandSession,
  type Scene,
} from './by-hand.ts';

const WANTED = [directory(''), directory('d'), file('d/f', 'new')];
const EXTRAS = [file('a', 'old'), directory('d/x'), file('d/x/y', 'older'), symlink('l', 'd')];
const HEADER = '["cairn-deletions",1]\n';

/** A session whose chunks are all there, over a target that has more than its manifest. */
async function begin(scene: Scene, there: readonly Item[] = EXTRAS): Promise<HandSession> {
  const transfer = transferOf(scene.stores.content, 'in', WANTED);
  await putTree(scene.stores.content, 'in', [directory(''), directory('d'), ...there]);
  const session = await openPush(scene, transfer);
  expect((await session.putChunk(0)).status).toBe(200);
  return session;
}

const listOf = (items: readonly Item[]) => createDeletions(EntryTable.from(items.map(({ entry }) => entry)));

function send(session: HandSession, items: readonly Item[]): Promise<Answer> {
  return session.call('PUT', 'deletions', { body: [...encodeDeletions(listOf(items))].join('') });
}

describe.each(KINDS)('over %s', (kind) => {
  test('a session is told what its target has beside, and deletes the entries that it lists', async () => {
    const session = await begin(await openScene(kind));
    const extras = await session.call('GET', 'extras');
    const lines = linesOf(extras) as unknown[][];
    expect(lines.map((line) => line.slice(0, 2))).toEqual([
      ['cairn-extras', 1],
      ['f', 'a'],
      ['d', 'd/x'],
      ['f', 'd/x/y'],
      ['l', 'l'],
      ['end', 4],
    ]);
    expect(lines.at(-1)).toEqual(['end', 4, 5]);
    const { id } = listOf(EXTRAS);
    expect((await send(session, EXTRAS)).json).toEqual({ id, entries: 4 });
    const answer = await session.commit({ deletions: id });
    expect(answer.json).toMatchObject({
      state: 'committed',
      deleted: { entries: 4, bytes: 8, kept: [], unlisted: 0 },
    });
    await expectTree(session.scene.stores.content, 'in', WANTED);
    // The reply may have been lost.
    expect((await session.commit({ deletions: id })).json).toEqual(answer.json);
  });

  test('a commit deletes nothing if it does not ask for it, or names another list', async () => {
    const session = await begin(await openScene(kind));
    await send(session, EXTRAS);
    const { id } = listOf(EXTRAS.slice(1));
    expect((await session.commit({ deletions: id })).json.code).toBe('session-state');
    expect((await session.commit()).json).toMatchObject({ state: 'committed' });
    await expectTree(session.scene.stores.content, 'in', [...WANTED, ...EXTRAS]);
  });

  test('a list of deletions replaces the one before, in the accounts of the server, too', async () => {
    const session = await begin(await openScene(kind));
    await send(session, EXTRAS);
    const first = await session.scene.stores.sessions.get(session.terms.session);
    await send(session, EXTRAS.slice(0, 1));
    const record = await session.scene.stores.sessions.get(session.terms.session);
    expect(record?.pass.deletions).toMatchObject({ id: listOf(EXTRAS.slice(0, 1)).id, entries: 1 });
    expect(record?.pass.entries).toBe(WANTED.length + 1);
    expect(first?.pass.entries).toBe(WANTED.length + EXTRAS.length);
    expect(record!.pass.manifestBytes! - record!.pass.deletions!.bytes).toBe(
      first!.pass.manifestBytes! - first!.pass.deletions!.bytes,
    );
  });

  test('an entry that changes after it was listed for deletion stays, and is named', async () => {
    const session = await begin(await openScene(kind));
    await send(session, EXTRAS);
    await putTree(session.scene.stores.content, 'in', [
      directory(''),
      directory('d'),
      directory('d/x'),
      file('d/x/y', 'other'),
    ]);
    await putTree(session.scene.stores.content, 'in/a', [file('', 'longer than before')]);
    const answer = await session.commit({ deletions: listOf(EXTRAS).id });
    expect(answer.json.deleted).toEqual({
      entries: 3,
      bytes: 5,
      kept: [{ code: 'destination-changed', path: 'a' }],
      unlisted: 0,
    });
  });

  test('a commit deletes nothing if something could not be published', async () => {
    const scene = await openScene(kind, {
      wrap: (content) =>
        interceptChunks(content, (chunks) => ({
          publish: (order) => chunks.publish({ ...order, existing: 'kept' }),
        })),
    });
    const session = await begin(scene, [...EXTRAS, file('d/f', 'in the way')]);
    await send(session, EXTRAS);
    const answer = await session.commit({ deletions: listOf(EXTRAS).id, leaveOut: true });
    expect(answer.json).toMatchObject({
      unpublished: [{ code: 'destination-exists', entries: [2, 1] }],
      deleted: { entries: 0, isSkipped: true },
    });
    expect(await scene.stores.content.lookup(['in/a'])).not.toEqual([undefined]);
  });

  test('a server that is killed between publishing and deleting deletes after its restart', async () => {
    const failing = { times: 1 };
    const scene = await openScene(kind, {
      wrap: (content) =>
        interceptChunks(content, (chunks) => ({
          publish: async (order) => {
            const isCut = failing.times-- > 0;
            await chunks.publish(isCut ? { ...order, removal: undefined } : order);
            if (isCut) throw new CairnError('storage-io', 'the power is gone');
          },
        })),
    });
    const session = await begin(scene);
    await send(session, EXTRAS);
    expect((await session.commit({ deletions: listOf(EXTRAS).id })).status).not.toBe(200);
    await expectTree(scene.stores.content, 'in', [...WANTED, ...EXTRAS]);
    await scene.restart();
    await session.resume();
    expect((await session.commit({ deletions: listOf(EXTRAS).id })).json).toMatchObject({
      state: 'committed',
      deleted: { entries: 4, bytes: 8 },
    });
    await expectTree(scene.stores.content, 'in', WANTED);
  });

  test.each([
    ['leaves the target', '["f","../b",1,420,"0"]\n', 'path-unsafe'],
    ['is absolute', '["f","/etc/passwd",1,420,"0"]\n', 'path-unsafe'],
    ['is reserved', '["d",".cairn",448,"0"]\n', 'path-reserved'],
    ['is the target itself', '["d","",493,"0"]\n', 'manifest-invalid'],
    ['is in the manifest', '["d","d",493,"0"]\n', 'manifest-invalid'],
  ])(
    'a list of deletions with a path that %s is refused, and nothing of it is kept',
    async (_what, line, code) => {
      const session = await begin(await openScene(kind));
      const answer = await session.call('PUT', 'deletions', {
        body: `${HEADER}["f","a",3,420,"0"]\n${line}`,
      });
      expect([answer.status < 500, answer.json.code]).toEqual([true, code]);
      const record = await session.scene.stores.sessions.get(session.terms.session);
      expect(record?.pass.deletions).toBeUndefined();
      expect(record?.pass.entries).toBe(WANTED.length);
    },
  );

  test('a list of deletions that is larger than a manifest may be is refused', async () => {
    const session = await begin(
      await openScene(kind, { limits: { manifest: { maxEntries: 10, maxBytes: 2000 } } }),
    );
    const lines = Array.from(
      { length: 20 },
      (_, at) => `["f","x${String(at).padStart(2, '0')}",1,420,"0"]\n`,
    );
    const answer = await session.call('PUT', 'deletions', { body: HEADER + lines.join('') });
    expect(answer.json.code).toBe('manifest-too-large');
    const huge = HEADER + lines.join('').repeat(20);
    expect((await session.call('PUT', 'deletions', { body: huge })).json.code).toBe('manifest-too-large');
  });
});

test.each<[readonly Scope[], string]>([
  [['append', 'list'], 'forbidden'],
  [['drop', 'list'], 'forbidden'],
  [['write'], 'forbidden'],
  [['write', 'list'], 'accepted'],
  [['write', 'read'], 'accepted'],
])('a token with the scopes %j that wants to delete is %s at once', async (scopes, outcome) => {
  const authenticators = [createStaticToken(ALICE, { id: 'token:a', principal: 'a', scopes })];
  const scene = await openScene('memory', { authenticators });
  const transfer = transferOf(scene.stores.content, 'in', WANTED);
  const body = JSON.stringify({ ...establishRequest(transfer, 'push', '/in'), deletes: true });
  const answer = await call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body });
  expect(outcome === 'accepted' ? answer.json.deletes : answer.json.code).toBe(
    outcome === 'accepted' ? true : outcome,
  );
  if (outcome === 'accepted') return;
  // Whoever does not say so when the session begins is refused later.
  const session = await establish(scene, transfer);
  expect(session.terms.deletes).toBeUndefined();
  await session.sendManifest();
  expect((await session.call('GET', 'extras')).json.code).toBe('forbidden');
  expect((await send(session, EXTRAS)).json.code).toBe('forbidden');
});
