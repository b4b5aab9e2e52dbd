import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { formatRecord } from '../../src/session/record-schema.ts';
import { openLocalSessionStore } from '../../src/storage/state/local-session-store.ts';
import { directory, file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';
import {
  ALICE,
  call,
  establish,
  establishRequest,
  interceptChunks,
  openPush,
  openScene,
  type Scene,
  until,
} from './by-hand.ts';

function sample(scene: Scene): SampleTransfer {
  return transferOf(scene.stores.content, 'in', [directory(''), file('a', 3 * 65_536), file('b', 'small')]);
}

/** A store whose syncs are counted, and wait until they are let go. */
function gatedSyncs(): {
  wrap: (content: ContentStore) => ContentStore;
  begun: () => number;
  open: () => void;
  fail: (error: CairnError | undefined) => void;
} {
  let begun = 0;
  let failure: CairnError | undefined;
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  return {
    wrap: (content) =>
      interceptChunks(content, (chunks) => ({
        sync: async () => {
          begun += 1;
          await gate;
          if (failure !== undefined) throw failure;
          await chunks.sync();
        },
      })),
    begun: () => begun,
    open: () => open(),
    fail: (error) => (failure = error),
  };
}

describe('sync always', () => {
  test('a chunk with sync always is answered only once its sync point has come', async () => {
    const gated = gatedSyncs();
    const scene = await openScene('local disk', { wrap: gated.wrap });
    const session = await openPush(scene, sample(scene), { sync: 'always' });
    let answered = 0;
    const answers = [0, 1, 2].map(async (chunk) => {
      const answer = await session.putChunk(chunk);
      answered += 1;
      return answer;
    });
    await until(async () => gated.begun() > 0);
    await delay(100);
    expect([gated.begun(), answered]).toEqual([1, 0]);
    gated.open();
    for (const answer of await Promise.all(answers)) {
      expect(answer.status).toBe(200);
      expect(answer.json.durableSyncPoint).toBeGreaterThanOrEqual(answer.json.syncPoint);
    }
    expect(gated.begun()).toBeLessThanOrEqual(3);
    await scene.restart('kill');
    await session.resume();
    expect((await session.call('GET', 'checkpoint')).json.chunks.runs).toEqual([0, 3]);
  });

  test('a chunk with sync always whose sync fails gets the error itself, and can be sent again', async () => {
    const gated = gatedSyncs();
    const scene = await openScene('local disk', { wrap: gated.wrap, sync: 'always' });
    const session = await openPush(scene, sample(scene));
    gated.open();
    expect((await session.putChunk(0)).status).toBe(200);
    gated.fail(new CairnError('storage-io', 'the disk says EIO'));
    const refused = await session.putChunk(1);
    expect([refused.status, refused.json.code]).toEqual([500, 'storage-io']);
    expect((await session.putChunk(2)).json.code).toBe('session-suspended');
    gated.fail(undefined);
    await session.resume();
    expect((await session.call('GET', 'checkpoint')).json.chunks.runs.slice(0, 1)).toEqual([0]);
    for (const chunk of [1, 2, 3]) expect((await session.putChunk(chunk)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
  });
});

test('a chunk with sync group is answered before its sync point, which comes by itself', async () => {
  const gated = gatedSyncs();
  const scene = await openScene('local disk', { wrap: gated.wrap });
  const session = await openPush(scene, sample(scene));
  const answer = await session.putChunk(0);
  // No sync is let through yet.
  expect(answer.status).toBe(200);
  expect(answer.json.durableSyncPoint).toBeLessThan(answer.json.syncPoint);
  await until(async () => gated.begun() > 0);
  gated.open();
});

test('a sync point with sync close never comes by itself, but a client can ask for one', async () => {
  const gated = gatedSyncs();
  const scene = await openScene('local disk', { wrap: gated.wrap });
  const session = await openPush(scene, sample(scene), { sync: 'close' });
  expect(session.terms.sync).toBe('group'); // the server's own is stricter
  const loose = await openScene('local disk', { wrap: gated.wrap, sync: 'close' });
  const other = await openPush(loose, sample(loose), { sync: 'close' });
  for (const chunk of [0, 1, 2]) expect((await other.putChunk(chunk)).status).toBe(200);
  const socket = await other.beginChunk(3, 3);
  await delay(1200);
  expect(gated.begun()).toBe(0);
  socket.destroy();
  gated.open();
  const { durableSyncPoint } = (await other.post('POST', 'sync')).json;
  expect([gated.begun(), durableSyncPoint]).toEqual([1, 1]);
  await other.putChunk(3);
  expect((await other.commit()).status).toBe(200);
  expect(gated.begun()).toBeGreaterThan(1);
});

describe('the sync mode of a push', () => {
  test.each([
    ['always', 'close', 'always'],
    ['close', 'always', 'always'],
    ['close', undefined, 'close'],
    [undefined, 'always', 'always'],
    [undefined, undefined, 'group'],
  ] as const)(
    'a push at a server with sync %s that wishes %s has the stricter sync mode %s',
    async (own, wish, agreed) => {
      const scene = await openScene('memory', own === undefined ? {} : { sync: own });
      const session = await establish(scene, sample(scene), 'push', wish === undefined ? {} : { sync: wish });
      expect(session.terms.sync).toBe(agreed);
      await scene.restart('kill');
      expect((await session.resume()).json.sync).toBe(agreed);
    },
  );

  test('the sync mode of a push becomes stricter by a later wish and never looser', async () => {
    const gated = gatedSyncs();
    gated.open();
    const scene = await openScene('local disk', { sync: 'close', wrap: gated.wrap });
    const session = await openPush(scene, sample(scene));
    const loose = (await session.putChunk(0)).json;
    expect(loose.durableSyncPoint).toBeLessThan(loose.syncPoint);
    expect((await session.resume(ALICE, { sync: 'always' })).json.sync).toBe('always');
    const strict = (await session.putChunk(1)).json;
    expect(strict.durableSyncPoint).toBe(strict.syncPoint);
    expect((await session.resume(ALICE, { sync: 'close' })).json.sync).toBe('always');
    const body = JSON.stringify({
      ...establishRequest(session.transfer, 'push', '/in'),
      manifestId: session.transfer.manifest.id,
      sync: 'group',
    });
    const found = await call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body });
    expect(found.json).toMatchObject({ resumed: true, sync: 'always' });
  });

  test('the sync mode has only known values, and a pull has none', async () => {
    const scene = await openScene('memory');
    const body = JSON.stringify({ ...establishRequest(sample(scene), 'push', '/in'), sync: 'never' });
    const refused = await call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body });
    expect([refused.status, refused.json.code]).toEqual([400, 'invalid-request']);
    const session = await openPush(scene, sample(scene));
    await Promise.all([0, 1, 2, 3].map((chunk) => session.putChunk(chunk)));
    await session.commit();
    expect((await establish(scene, sample(scene), 'pull')).terms).not.toHaveProperty('sync');
  });

  test('the sync mode of a record that an older server wrote is group', async () => {
    const scene = await openScene('local disk', { sync: 'close' });
    const session = await establish(scene, sample(scene));
    const older = temporaryDirectory();
    const found = (await scene.stores.sessions.get(session.terms.session))!;
    const { sync: _sync, ...pass } = found.pass;
    const record = { ...found, pass };
    const name = path.join(older, `${record.id}.json`);
    writeFileSync(name, formatRecord(record));
    const kept = await (await openLocalSessionStore(older)).get(record.id);
    expect(kept).toEqual(record);
    expect(await scene.stores.sessions.replace({ ...record, version: record.version + 1 })).toBe(true);
    expect(readFileSync(name, 'utf8')).not.toContain('sync');
    await scene.restart('kill');
    expect((await session.resume()).json.sync).toBe('group');
  });
});
