import { describe, expect, it, onTestFinished } from 'vitest';
import type { SessionChanges, SessionRecord } from '../../src/session/record.ts';
import type { SessionState } from '../../src/session/state.ts';
import type { SessionStore } from '../../src/storage/state/session-store.ts';
import { codeOf } from './staged-transfer.ts';

/** A session store under test; `reopen` gives what a restarted process would see. */
export interface SessionStorePlace {
  readonly store: SessionStore;
  reopen(): Promise<SessionStore>;
  cleanup(): Promise<void>;
}

type MakeStore = () => Promise<SessionStorePlace>;

/** A record; ids are 22 characters of base64url. */
export function recordOf(name: string, { pass, ...changes }: SessionChanges = {}): SessionRecord {
  return {
    id: name.padEnd(22, '_'),
    version: 1,
    principal: 'owner',
    target: 'some/ünïcode "target"\n',
    parallel: 4,
    state: 'open',
    epoch: 1,
    credentialHash: 'c'.repeat(64),
    holder: null,
    createdAtMs: 1_700_000_000_000,
    leaseExpiresAtMs: 1_700_000_600_000,
    ...changes,
    pass: {
      direction: 'push',
      manifestId: 'a'.repeat(64),
      digest: 'xxh64',
      chunkSizeBytes: 1024 * 1024,
      commit: null,
      ...pass,
    },
  };
}

async function open(makeStore: MakeStore): Promise<SessionStorePlace> {
  const place = await makeStore();
  onTestFinished(() => place.cleanup());
  return place;
}

async function idsOf(store: SessionStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of store.list()) ids.push(id);
  return ids.toSorted();
}

/** What every session store must do, as vitest tests. */
export function sessionStoreSuite(name: string, makeStore: MakeStore): void {
  describe(`${name}: session records`, () => {
    recordTests(makeStore);
    compareAndSetTests(makeStore);
    findTests(makeStore);
  });
}

function recordTests(makeStore: MakeStore): void {
  it('a session store gives back a record, also after it was opened again', async () => {
    const { store, reopen } = await open(makeStore);
    const record = recordOf('a', {
      pass: { commit: { digest: 'd'.repeat(64), bytesTotal: 2 ** 50, excluded: [1, 2], entriesTotal: 3 } },
    });
    await store.create(record);
    expect(await store.get(record.id)).toEqual(record);
    expect(await (await reopen()).get(record.id)).toEqual(record);
  });

  it('a session store knows nothing of an id that was never created', async () => {
    const { store } = await open(makeStore);
    expect(await store.get(recordOf('none').id)).toBeUndefined();
    await store.remove(recordOf('none').id);
  });

  it('a session store takes no path for an id', async () => {
    const { store } = await open(makeStore);
    for (const id of ['../../etc/passwd', '..', '', '/', 'a/../b', '__proto__', 'constructor']) {
      const found = await store.get(id).catch(() => undefined);
      expect(found).toBeUndefined();
    }
  });

  it('a session store refuses to create an id twice, and keeps the first record', async () => {
    const { store } = await open(makeStore);
    await store.create(recordOf('a'));
    expect(await codeOf(() => store.create(recordOf('a', { principal: 'thief' })))).toBe('internal');
    expect((await store.get(recordOf('a').id))?.principal).toBe('owner');
  });

  it('a session store hands out records that nobody else holds', async () => {
    const { store } = await open(makeStore);
    const record = { ...recordOf('a'), target: 'before' };
    await store.create(record);
    record.target = 'after';
    const found = (await store.get(record.id)) as { target: string };
    expect(found.target).toBe('before');
    found.target = 'changed';
    expect((await store.get(record.id))?.target).toBe('before');
  });

  it('a session store lists the records of all states, and removes them', async () => {
    const { store, reopen } = await open(makeStore);
    const states: SessionState[] = [
      'establishing',
      'open',
      'suspended',
      'committing',
      'committed',
      'aborted',
      'expired',
    ];
    for (const state of states) await store.create(recordOf(state, { state }));
    expect(await idsOf(store)).toEqual(states.map((state) => recordOf(state).id).toSorted());
    await store.remove(recordOf('open').id);
    await store.remove(recordOf('open').id);
    const left = states.filter((state) => state !== 'open');
    expect(await idsOf(store)).toEqual(left.map((state) => recordOf(state).id).toSorted());
    expect(await idsOf(await reopen())).toHaveLength(left.length);
  });

  it('a session store may be changed while it is listed', async () => {
    const { store } = await open(makeStore);
    for (let n = 0; n < 20; n++) await store.create(recordOf(`r${n}`));
    let seen = 0;
    for await (const { id } of store.list()) {
      seen += 1;
      await store.remove(id);
    }
    expect(seen).toBe(20);
    expect(await idsOf(store)).toEqual([]);
  });

  it('a session store does not expire a record by itself', async () => {
    const { store } = await open(makeStore);
    const record = recordOf('old', { createdAtMs: 1, leaseExpiresAtMs: 2 });
    await store.create(record);
    expect(await store.get(record.id)).toEqual(record);
  });
}

function compareAndSetTests(makeStore: MakeStore): void {
  it('a session store replaces the version before, and no other', async () => {
    const { store, reopen } = await open(makeStore);
    const first = recordOf('a');
    await store.create(first);
    expect(await store.replace({ ...first, version: 1, state: 'aborted' })).toBe(false);
    expect(await store.replace({ ...first, version: 3, state: 'aborted' })).toBe(false);
    expect(await store.get(first.id)).toEqual(first);
    const second = { ...first, version: 2, state: 'suspended' as const };
    expect(await store.replace(second)).toBe(true);
    expect(await store.replace(second)).toBe(false);
    expect(await (await reopen()).get(first.id)).toEqual(second);
  });

  it('a session store does not bring back a record that is gone', async () => {
    const { store } = await open(makeStore);
    expect(await store.replace(recordOf('gone', { version: 2 }))).toBe(false);
    expect(await idsOf(store)).toEqual([]);
  });

  it('a session store lets exactly one of many rivals win, round after round', async () => {
    const { store } = await open(makeStore);
    await store.create(recordOf('a'));
    for (let version = 2; version < 12; version++) {
      const rivals = Array.from({ length: 8 }, (_, n) => recordOf('a', { version, epoch: n + 100 }));
      const won = await Promise.all(rivals.map((rival) => store.replace(rival)));
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await store.get(recordOf('a').id))?.epoch).toBe(rivals[won.indexOf(true)]!.epoch);
    }
  });

  it('a session store lets one of two creators of the same id win', async () => {
    const { store } = await open(makeStore);
    const rivals = ['x', 'y'].map((principal) => codeOf(() => store.create(recordOf('a', { principal }))));
    expect((await Promise.all(rivals)).toSorted()).toEqual(['done', 'internal']);
  });

  it('a session store lets one rival win, also of other processes where it is shared', async () => {
    const place = await open(makeStore);
    const { shared } = place.store.properties;
    const rival = async (): Promise<SessionStore> => (shared ? place.reopen() : place.store);
    const stores = [place.store, await rival(), await rival()];
    await place.store.create(recordOf('a'));
    for (let version = 2; version < 12; version++) {
      const won = await Promise.all(
        stores.map((store, n) => store.replace(recordOf('a', { version, epoch: n + 1 }))),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      for (const store of stores)
        expect((await store.get(recordOf('a').id))?.epoch).toBe(won.indexOf(true) + 1);
    }
  });
}

function findTests(makeStore: MakeStore): void {
  it('a session store finds the unfinished sessions that match, the newest first', async () => {
    const { store } = await open(makeStore);
    const { principal, target } = recordOf('x');
    const direction = 'push';
    const manifestId = 'a'.repeat(64);
    const at = (createdAtMs: number): Partial<SessionRecord> => ({ createdAtMs });
    await store.create(recordOf('middle', { ...at(20), state: 'suspended' }));
    await store.create(recordOf('newest', { ...at(30), state: 'committing' }));
    await store.create(recordOf('oldest', { ...at(10), state: 'establishing' }));
    for (const state of ['committed', 'aborted', 'expired'] as const)
      await store.create(recordOf(state, { state }));
    await store.create(recordOf('p', { principal: 'other' }));
    await store.create(recordOf('d', { pass: { direction: 'pull' } }));
    await store.create(recordOf('t', { target: 'elsewhere' }));
    await store.create(recordOf('m', { pass: { manifestId: 'b'.repeat(64) } }));
    await store.create(recordOf('n', { pass: { manifestId: null } }));
    const found = await store.find({ principal, direction, target, manifestId });
    expect(found.map(({ id }) => id)).toEqual(
      ['newest', 'middle', 'oldest'].map((name) => recordOf(name).id),
    );
  });

  it('a session store finds nothing where nothing matches', async () => {
    const { store } = await open(makeStore);
    const query = { principal: 'p', direction: 'push', target: '', manifestId: 'f'.repeat(64) } as const;
    expect(await store.find(query)).toEqual([]);
  });
}
