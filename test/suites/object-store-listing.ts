import { expect, it } from 'vitest';
import { keysOf, type MakeObjects, openObjects, put, textOf } from './objects-at-hand.ts';
import { codeOf } from './staged-transfer.ts';

/** What a store tells of its keys, and how it loses them. */
export function listTests(makeStore: MakeObjects): void {
  it('an object store lists keys in their order, by prefix, and after another key', async () => {
    const { store } = await openObjects(makeStore);
    const keys = ['a', 'a-b', 'a/b', 'a/b/c', 'a0', 'ab/c', 'B', 'b', 'b.c/d', 'a/B', 'a/b-c', 'a.b'];
    for (const key of keys) await put(store, key, key);
    const sorted = keys.toSorted();
    expect(await keysOf(store)).toEqual(sorted);
    for (const prefix of ['a', 'a/', 'a/b', 'a/b/', 'b.', 'none', 'none/at/all', 'B', 'a/b/c']) {
      expect(await keysOf(store, prefix)).toEqual(sorted.filter((key) => key.startsWith(prefix)));
    }
    for (const after of [...keys, 'a/', 'a/a', 'a/b/', 'zzz', 'A', '-']) {
      expect(await keysOf(store, '', after)).toEqual(sorted.filter((key) => key > after));
      expect(await keysOf(store, 'a/', after)).toEqual(
        sorted.filter((key) => key.startsWith('a/') && key > after),
      );
    }
  });

  it('an object store lists of each object what a get answers', async () => {
    const { store } = await openObjects(makeStore);
    await put(store, 'a/one', '1');
    await put(store, 'a/three', '333');
    for await (const head of store.list('a/'))
      expect(await store.get(head.key, { to: 0 })).toMatchObject(head);
  });

  it('an object store removes some of its objects, and ignores those that are gone', async () => {
    const { store, reopen } = await openObjects(makeStore);
    for (const key of ['a', 'a/b', 'a/b/c', 'd/e']) await put(store, key, key);
    await store.remove(['a/b', 'd/e', 'none', 'none/at/all']);
    await store.remove(['a/b', 'd/e']);
    await store.remove([]);
    expect(await keysOf(await reopen())).toEqual(['a', 'a/b/c']);
    expect(await put(store, 'd/e', 'again', null)).toBeTypeOf('string');
  });

  it('an object store lists the objects that stay once each while others come and go', async () => {
    const { store } = await openObjects(makeStore);
    const staying = Array.from({ length: 30 }, (_, n) => `s/${String(n).padStart(3, '0')}`);
    for (const key of staying) await put(store, key, key);
    const seen: string[] = [];
    let n = 0;
    for await (const { key } of store.list('s/')) {
      seen.push(key);
      n += 1;
      await put(store, `s/new-${n}`, 'x');
      if (n > 10) await store.remove([`s/new-${n - 10}`]);
      await put(store, staying[n % 30]!, 'replaced');
    }
    expect(seen.filter((key) => !key.includes('new'))).toEqual(staying);
  });

  it('an object store may be emptied while it is listed', async () => {
    const { store } = await openObjects(makeStore);
    for (let n = 0; n < 50; n += 1) await put(store, `d${n % 5}/k${n}`, 'x');
    let seen = 0;
    for await (const { key } of store.list('')) {
      seen += 1;
      await store.remove([key]);
    }
    expect(seen).toBe(50);
    expect(await keysOf(store)).toEqual([]);
  });
}

/** Which keys a store takes. */
export function keyTests(makeStore: MakeObjects): void {
  const wrong = [
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    '.',
    '..',
    'a/../b',
    '../../etc/passwd',
    'a/.',
    'a b',
    'ü',
    'a\0',
  ];

  it('an object store refuses a text that is no key in each operation', async () => {
    const { store } = await openObjects(makeStore);
    for (const key of wrong) {
      expect(await codeOf(() => put(store, key, 'x'))).toBe('path-unsafe');
      expect(await codeOf(() => store.get(key))).toBe('path-unsafe');
      expect(await codeOf(() => store.remove([key]))).toBe('path-unsafe');
    }
    for (const prefix of ['/', 'a//', '../', 'a/./', 'ü']) {
      expect(await codeOf(() => keysOf(store, prefix))).toBe('path-unsafe');
    }
  });

  it('an object store refuses keys that are too long, and takes the longest', async () => {
    const { store } = await openObjects(makeStore);
    const longest = `${'A'.repeat(99)}/`.repeat(5).slice(0, 499).concat('z');
    await put(store, longest, 'x');
    expect(await keysOf(store)).toEqual([longest]);
    expect(await codeOf(() => put(store, 'a'.repeat(101), 'x'))).toBe('path-too-long');
    expect(await codeOf(() => put(store, `${'a/'.repeat(250)}a`, 'x'))).toBe('path-too-long');
  });

  it('an object store keeps keys apart that some file systems do not', async () => {
    const { store } = await openObjects(makeStore);
    const keys = ['A', 'a', 'aB', 'ab', 'AB', 'x.', 'x', '.hidden', 'CON', 'con', '...', 'at.x', '-', '_'];
    for (const key of keys) await put(store, key, `of ${key}`);
    for (const key of keys) expect(await textOf(store, key)).toBe(`of ${key}`);
    expect(await keysOf(store)).toEqual(keys.toSorted());
  });
}
