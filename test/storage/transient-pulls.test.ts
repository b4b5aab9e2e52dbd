import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import { loadPlan, savePlan } from '../../src/server/core/sessions/session-documents.ts';
import { createManifest } from '../../src/manifest/manifest.ts';
import { entryOf } from '../manifest/arbitrary-tree.ts';
import type { SessionChanges, SessionRecord } from '../../src/session/record.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { createMemoryContentStore } from '../support/memory-stores/memory-content-store.ts';
import { createMemorySessionStore } from '../support/memory-stores/memory-session-store.ts';
import type { SessionStore } from '../../src/storage/state/session-store.ts';
import { type TransientBounds, withTransientPulls } from '../../src/storage/state/transient-pulls.ts';
import { recordOf, sessionStoreSuite } from '../suites/session-store.ts';
import { codeOf, transferOf } from '../suites/staged-transfer.ts';

/** Two stores whose disk takes nothing while `refuses` says so. */
function openStores(bounds?: TransientBounds) {
  const disk: { refuses: 'storage-full' | 'storage-read-only' | 'storage-io' | undefined } = {
    refuses: undefined,
  };
  const broken = { removal: false };
  const check = (): void => {
    if (disk.refuses !== undefined) throw new CairnError(disk.refuses, 'the disk takes nothing');
  };
  const inner = createMemorySessionStore();
  const sessions: SessionStore = {
    ...inner,
    create: async (record) => (check(), inner.create(record)),
    replace: async (next) => (check(), inner.replace(next)),
    remove: async (id) => {
      // A name needs no room to go.
      if (disk.refuses !== 'storage-full') check();
      if (broken.removal) throw new CairnError('storage-io', 'the disk fails');
      await inner.remove(id);
    },
  };
  const store = createMemoryContentStore();
  const content: ContentStore = {
    ...store,
    openStaging: async (id) => {
      check();
      const area = await store.openStaging(id);
      return { ...area, save: async (name, text) => (check(), area.save(name, text)) };
    },
  };
  return { disk, inner, broken, ...withTransientPulls({ sessions, content }, bounds) };
}

const pull = (name: string, changes: SessionChanges = {}): SessionRecord =>
  recordOf(name, { pass: { direction: 'pull' }, ...changes });

async function textOf(source: AsyncIterable<Uint8Array> | undefined): Promise<string | undefined> {
  if (source === undefined) return undefined;
  let text = '';
  for await (const piece of source) text += Buffer.from(piece).toString();
  return text;
}

sessionStoreSuite('a session store whose pulls may lie in memory', async () => {
  const stores = openStores();
  return { store: stores.sessions, reopen: async () => stores.sessions, cleanup: async () => undefined };
});

it('the plan of a pull is kept whole when the disk gets full in the middle of it', async () => {
  const store = createMemoryContentStore();
  const content: ContentStore = {
    ...store,
    openStaging: async (id) => ({
      ...(await store.openStaging(id)),
      save: async (_name, text) => {
        expect([...text]).not.toEqual([]);
        throw new CairnError('storage-full', 'the disk takes nothing');
      },
    }),
  };
  const stores = withTransientPulls({ sessions: createMemorySessionStore(), content });
  const { id } = pull('a');
  await stores.sessions.create(pull('a'));
  const area = await stores.content.openStaging(id);
  await savePlan(area, { have: ChunkSet.fromRuns([1, 2], 9), attributes: new ChunkSet() });
  const manifest = createManifest(
    { chunkSizeBytes: 65_536, digest: 'xxh64' },
    Array.from({ length: 9 }, (_, at) => entryOf('file', `${at}`)),
  );
  expect((await loadPlan(area, manifest))?.have.runs()).toEqual([1, 2]);
});

describe.each(['storage-full', 'storage-read-only'] as const)('a disk that says %s', (code) => {
  it('a pull is kept in memory while a disk takes nothing, and found, changed, listed and removed', async () => {
    const { disk, sessions, inner } = openStores();
    await sessions.create(pull('before'));
    disk.refuses = code;
    await sessions.create(pull('a'));
    const next = { ...pull('a'), version: 2, epoch: 2 };
    expect(await sessions.replace(next)).toBe(true);
    expect(await sessions.replace(next)).toBe(false);
    const before = { ...pull('before'), version: 2, epoch: 7 };
    expect(await sessions.replace(before)).toBe(true);
    expect((await sessions.get(next.id))?.epoch).toBe(2);
    expect((await sessions.get(before.id))?.epoch).toBe(7);
    const { principal, target } = next;
    const { direction, manifestId } = next.pass;
    expect(await sessions.find({ principal, direction, target, manifestId: manifestId! })).toHaveLength(2);
    const listed: [string, number][] = [];
    for await (const { id, epoch } of sessions.list()) listed.push([id, epoch]);
    expect(listed).toEqual([
      [next.id, 2],
      [before.id, 7],
    ]);
    // What a restart would find is of before, and goes where the disk lets go of it.
    expect((await inner.get(before.id))?.epoch).toBe(code === 'storage-full' ? undefined : 1);
    disk.refuses = undefined;
    await sessions.remove(next.id);
    expect(await sessions.get(next.id)).toBeUndefined();
    expect((await sessions.get(before.id))?.epoch).toBe(7);
  });

  it('a push is refused while a disk takes nothing', async () => {
    const { disk, sessions, content } = openStores();
    await sessions.create(recordOf('p'));
    disk.refuses = code;
    expect(await codeOf(() => sessions.create(recordOf('q')))).toBe(code);
    expect(await codeOf(() => sessions.replace({ ...recordOf('p'), version: 2 }))).toBe(code);
    expect(await codeOf(() => content.openStaging(recordOf('p').id))).toBe(code);
  });

  it('the documents of a pull are kept in memory while a disk takes nothing, and on the disk after that', async () => {
    const { disk, sessions, content } = openStores();
    const { id } = pull('a');
    disk.refuses = code;
    await sessions.create(pull('a'));
    await (await content.openStaging(id)).save('manifest', ['one', 'two']);
    const area = await content.openStaging(id);
    expect(await textOf(await area.load('manifest'))).toBe('onetwo');
    expect(await area.load('plan')).toBeUndefined();
    expect(await codeOf(async () => area.openChunks(transferOf(content, 'x', [])))).toBe(code);
    disk.refuses = undefined;
    const again = await content.openStaging(id);
    await again.save('manifest', ['three']);
    expect(await textOf(await again.load('manifest'))).toBe('three');
    await again.discard();
    expect(await (await content.openStaging(id)).load('manifest')).toBeUndefined();
  });
});

it('pulls in memory are bounded in bytes and sessions', async () => {
  const { disk, sessions, content } = openStores({ maxSessions: 2, maxBytes: 10 });
  disk.refuses = 'storage-full';
  await sessions.create(pull('a'));
  await sessions.create(pull('b'));
  expect(await codeOf(() => sessions.create(pull('c')))).toBe('storage-full');
  const save = async (name: string, text: string): Promise<void> =>
    (await content.openStaging(pull(name).id)).save('plan', [text]);
  await save('a', '12345');
  await save('a', '1234567');
  expect(await codeOf(() => save('b', '12345'))).toBe('storage-full');
  await sessions.remove(pull('a').id);
  await save('b', '12345');
});

it('a pull is not kept in memory when the disk fails', async () => {
  const { disk, sessions } = openStores();
  disk.refuses = 'storage-io';
  expect(await codeOf(() => sessions.create(pull('a')))).toBe('storage-io');
});

it('a pull that a full disk fails to remove is not changed in memory either', async () => {
  const { disk, sessions, broken } = openStores();
  await sessions.create(pull('a'));
  disk.refuses = 'storage-full';
  broken.removal = true;
  expect(await codeOf(() => sessions.replace({ ...pull('a'), version: 2, epoch: 2 }))).toBe('storage-io');
  expect((await sessions.get(pull('a').id))?.epoch).toBe(1);
  broken.removal = false;
  expect(await sessions.replace({ ...pull('a'), version: 2, epoch: 2 })).toBe(true);
});

it('only one of two changes of a pull that a full disk refuses at the same time counts', async () => {
  const { disk, sessions } = openStores();
  await sessions.create(pull('a'));
  disk.refuses = 'storage-full';
  const changes = [2, 3].map((epoch) => sessions.replace({ ...pull('a'), version: 2, epoch }));
  expect((await Promise.all(changes)).filter((isReplaced) => isReplaced)).toHaveLength(1);
});
