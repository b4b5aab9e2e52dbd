import { expect, it } from 'vitest';
import { type MakeObjects, openObjects, put, textOf } from './objects-at-hand.ts';

/** Which puts a store takes of those that are made under a condition. */
export function conditionTests(makeStore: MakeObjects): void {
  it('an object store puts an object where none is, once', async () => {
    const { store } = await openObjects(makeStore);
    expect(await put(store, 'k', 'first', null)).toBeTypeOf('string');
    expect(await put(store, 'k', 'second', null)).toBeUndefined();
    expect(await textOf(store, 'k')).toBe('first');
  });

  it('an object store replaces the version that the caller knows, and no other', async () => {
    const { store } = await openObjects(makeStore);
    const first = await put(store, 'k', '1', null);
    const second = await put(store, 'k', '2', first);
    expect(second).toBeTypeOf('string');
    expect(await put(store, 'k', '3', first)).toBeUndefined();
    expect(await put(store, 'k', '3', 'no tag at all')).toBeUndefined();
    expect(await textOf(store, 'k')).toBe('2');
    expect(await put(store, 'k', '3', second)).toBeTypeOf('string');
  });

  it('an object store does not bring back an object that was removed', async () => {
    const { store } = await openObjects(makeStore);
    const first = await put(store, 'k', '1', null);
    await store.remove(['k']);
    expect(await put(store, 'k', '2', first)).toBeUndefined();
    expect(await store.get('k')).toBeUndefined();
    expect(await put(store, 'other', '2', first)).toBeUndefined();
  });

  it('an object store puts an object anew that was removed, with a tag of its own', async () => {
    const { store } = await openObjects(makeStore);
    const first = await put(store, 'k', '1', null);
    await store.remove(['k']);
    const second = await put(store, 'k', '1 again', null);
    expect(second).toBeTypeOf('string');
    expect(second).not.toBe(first);
  });

  it('an object store lets exactly one of many creators win', async () => {
    const { store, reopen } = await openObjects(makeStore);
    const stores = [store, await reopen()];
    for (let round = 0; round < 10; round += 1) {
      const rivals = Array.from({ length: 8 }, (_, n) => put(stores[n % 2]!, `r${round}`, String(n), null));
      const won = await Promise.all(rivals);
      expect(won.filter((etag) => etag !== undefined)).toHaveLength(1);
      expect(await textOf(store, `r${round}`)).toBe(String(won.findIndex((etag) => etag !== undefined)));
    }
  });

  it('an object store lets exactly one of many replacers win, round after round', async () => {
    const { store, reopen } = await openObjects(makeStore);
    const stores = [store, await reopen()];
    let etag = await put(store, 'k', 'start');
    for (let round = 0; round < 10; round += 1) {
      const rivals = Array.from({ length: 8 }, (_, n) => put(stores[n % 2]!, 'k', `${round} ${n}`, etag));
      const won = await Promise.all(rivals);
      expect(won.filter((each) => each !== undefined)).toHaveLength(1);
      etag = won.find((each) => each !== undefined);
      expect(await textOf(store, 'k')).toBe(`${round} ${won.indexOf(etag)}`);
    }
  });

  it('an object store takes all unconditional puts at once, and keeps one of them whole', async () => {
    const { store } = await openObjects(makeStore);
    const texts = Array.from({ length: 8 }, (_, n) => String(n).repeat(100_000));
    const etags = await Promise.all(texts.map((text) => put(store, 'k', text)));
    expect(new Set(etags).size).toBe(texts.length);
    expect(texts).toContain(await textOf(store, 'k'));
  });
}
