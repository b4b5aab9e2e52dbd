import { describe, expect, it, onTestFinished } from 'vitest';
import { MAX_DOCUMENT_BYTES, type StateStore } from '../../src/storage/state/state-store.ts';
import { codeOf } from './staged-transfer.ts';

/** A state store under test; `reopen` gives what another process would see. */
export interface StateStorePlace {
  readonly store: StateStore;
  reopen(): Promise<StateStore>;
  cleanup(): Promise<void>;
}

type MakeState = () => Promise<StateStorePlace>;

async function open(makeStore: MakeState): Promise<StateStorePlace> {
  const place = await makeStore();
  onTestFinished(() => place.cleanup());
  return place;
}

async function keysOf(store: StateStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** What every state store must do, as vitest tests. */
export function stateStoreSuite(name: string, makeStore: MakeState): void {
  describe(`${name}: documents`, () => documentTests(makeStore));
  describe(`${name}: compare-and-set`, () => compareAndSetTests(makeStore));
  describe(`${name}: watching`, () => watchTests(makeStore));
}

function documentTests(makeStore: MakeState): void {
  it('a state store gives back a document, also to another process', async () => {
    const { store, reopen } = await open(makeStore);
    const text = JSON.stringify({ name: 'ünïcode "text"\n', at: 2 ** 50 });
    const version = await store.compareAndSet('a/b', null, text);
    for (const each of [store, await reopen()]) {
      expect(await each.get('a/b')).toEqual({ key: 'a/b', version, text });
    }
  });

  it('a state store tells the same time to every process', async () => {
    const { store, reopen } = await open(makeStore);
    const other = await reopen();
    const times = [await store.now(), await other.now(), await store.now()];
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(60_000);
    expect(Math.abs(times[0]! - Date.now())).toBeLessThan(3_600_000);
  });

  it('a state store says that a document is unchanged, until another process changes or removes it', async () => {
    const { store, reopen } = await open(makeStore);
    const other = store.properties.shared ? await reopen() : store;
    const first = (await store.compareAndSet('k', null, '1'))!;
    for (let time = 0; time < 3; time += 1) expect(await store.getUnless('k', first)).toBe('unchanged');
    const second = (await other.compareAndSet('k', first, '2'))!;
    expect(await store.getUnless('k', first)).toEqual({ key: 'k', version: second, text: '2' });
    expect(await store.getUnless('k', second)).toBe('unchanged');
    await other.remove('k');
    expect(await store.getUnless('k', second)).toBeUndefined();
  });

  it('a state store knows nothing of a document that was never set', async () => {
    const { store } = await open(makeStore);
    expect(await store.get('none')).toBeUndefined();
    await store.remove('none');
  });

  it('a state store lists documents by prefix, in the order of their keys', async () => {
    const { store } = await open(makeStore);
    const keys = Array.from({ length: 40 }, (_, n) => `a/${String(n).padStart(2, '0')}`);
    for (const key of ['b/x', ...keys.toReversed()]) await store.compareAndSet(key, null, `of ${key}`);
    expect(await keysOf(store, 'a/')).toEqual(keys);
    expect(await keysOf(store)).toEqual([...keys, 'b/x']);
    expect(await keysOf(store, 'c')).toEqual([]);
    for await (const document of store.list('b')) expect(document).toEqual(await store.get('b/x'));
  });

  it('a state store removes documents, also while it is listed', async () => {
    const { store, reopen } = await open(makeStore);
    for (let n = 0; n < 30; n += 1) await store.compareAndSet(`k/${n}`, null, String(n));
    for await (const { key } of store.list('k/')) await store.remove(key);
    expect(await keysOf(await reopen())).toEqual([]);
  });

  it('a state store refuses a text that is no key, and documents that are not small', async () => {
    const { store } = await open(makeStore);
    for (const key of ['', '../a', 'a//b', 'ü']) {
      expect(await codeOf(() => store.get(key))).toBe('path-unsafe');
      expect(await codeOf(() => store.compareAndSet(key, null, ''))).toBe('path-unsafe');
    }
    const text = 'x'.repeat(MAX_DOCUMENT_BYTES);
    expect(await store.compareAndSet('large', null, text)).toBeTypeOf('string');
    expect(await codeOf(() => store.compareAndSet('larger', null, `${text}x`))).toBe('storage-unsupported');
  });
}

function compareAndSetTests(makeStore: MakeState): void {
  it('a state store replaces the version that the caller knows, and no other', async () => {
    const { store, reopen } = await open(makeStore);
    const first = (await store.compareAndSet('k', null, '1'))!;
    expect(await store.compareAndSet('k', null, 'again')).toBeUndefined();
    const second = await store.compareAndSet('k', first, '2');
    expect(second).toBeTypeOf('string');
    expect(await store.compareAndSet('k', first, '3')).toBeUndefined();
    expect(await (await reopen()).get('k')).toEqual({ key: 'k', version: second, text: '2' });
  });

  it('a state store does not bring back a document that was removed', async () => {
    const { store } = await open(makeStore);
    const first = (await store.compareAndSet('k', null, '1'))!;
    await store.remove('k');
    expect(await store.compareAndSet('k', first, '2')).toBeUndefined();
    expect(await store.get('k')).toBeUndefined();
    expect(await store.compareAndSet('k', null, '3')).toBeTypeOf('string');
  });

  it('a state store lets exactly one of many rivals win, in other processes where it is shared', async () => {
    const { store, reopen } = await open(makeStore);
    const stores = store.properties.shared ? [store, await reopen()] : [store, store];
    let version: string | null = null as string | null;
    for (let round = 0; round < 8; round += 1) {
      const known: string | null = version;
      const rivals = Array.from({ length: 6 }, (_, n) =>
        stores[n % 2]!.compareAndSet('k', known, `${round} ${n}`),
      );
      const won = await Promise.all(rivals);
      expect(won.filter((each) => each !== undefined)).toHaveLength(1);
      const winner = won.findIndex((each) => each !== undefined);
      version = won[winner]!;
      expect(await stores[1]!.get('k')).toEqual({ key: 'k', version, text: `${round} ${winner}` });
    }
  });
}

function watchTests(makeStore: MakeState): void {
  it('a state store tells of documents that come, change and go, whoever changed them', async () => {
    const { store, reopen } = await open(makeStore);
    const other = store.properties.shared ? await reopen() : store;
    const first = (await store.compareAndSet('w/a', null, '1'))!;
    await store.compareAndSet('w/gone', null, '1');
    const stop = new AbortController();
    const changes = store.watch('w/', stop.signal)[Symbol.asyncIterator]();
    expect((await changes.next()).value).toEqual([]);
    const seen = new Set<string>();
    const expectChanges = async (...keys: string[]): Promise<void> => {
      seen.clear();
      while (!keys.every((key) => seen.has(key))) {
        const { value, done } = await changes.next();
        if (done === true) throw new Error('the watch ended');
        for (const key of value) seen.add(key);
      }
      expect([...seen].toSorted()).toEqual(keys.toSorted());
    };
    await other.compareAndSet('elsewhere', null, 'x');
    await other.compareAndSet('w/a', first, '2');
    await expectChanges('w/a');
    await Promise.all([other.compareAndSet('w/new', null, '1'), other.remove('w/gone')]);
    await expectChanges('w/gone', 'w/new');
    stop.abort();
    expect((await changes.next()).done).toBe(true);
  });

  it('a state store ends a watch at once whose signal is aborted already', async () => {
    const { store } = await open(makeStore);
    const seen: unknown[] = [];
    for await (const keys of store.watch('', AbortSignal.abort())) seen.push(keys);
    expect(seen).toEqual([]);
  });
}
