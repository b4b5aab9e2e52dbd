import { expect, it } from 'vitest';
import { comparePaths } from '../../src/base/safe-path.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { scanAll } from './expected-tree.ts';
import {
  codeOf,
  collect,
  directory,
  file,
  openPlace,
  putTree,
  symlink,
  type Item,
  type MakeStore,
} from './staged-transfer.ts';

const MEBIBYTE = 1024 * 1024;

async function placeWith(makeStore: MakeStore, items: readonly Item[]): Promise<ContentStore> {
  const { store } = await openPlace(makeStore);
  await putTree(store, 't', items);
  return store;
}

async function identityOf(store: ContentStore, path: string): Promise<string> {
  return (await store.lookup([path]))[0]!.identity;
}

/** Registers the tests of scan, lookup and read. */
export function readingTests(makeStore: MakeStore): void {
  scanTests(makeStore);
  lookupTests(makeStore);
  readTests(makeStore);
}

function scanTests(makeStore: MakeStore): void {
  it('a content store scans in canonical order, a directory directly before all that is under it', async () => {
    const names = ['a-b', 'a.b', 'a!', 'b', 'A', 'é', '\uff5e', '😀', '0', '-'];
    const items = [directory(''), directory('a'), ...names.map((name) => file(name, name))];
    const store = await placeWith(makeStore, [...items, file('a/x', 'x'), file('a/-', '-')]);
    const { found } = await scanAll(store, 't');
    const paths = found.map(({ entry }) => entry.path);
    expect(paths).toEqual(paths.toSorted(comparePaths));
    expect(paths).toHaveLength(names.length + 4);
    expect(paths.slice(paths.indexOf('a'), paths.indexOf('a') + 3)).toEqual(['a', 'a/-', 'a/x']);
  });

  it('a content store scans a single file as one entry with an empty path', async () => {
    const store = await placeWith(makeStore, [directory(''), file('f', 'hello', { mode: 0o640 })]);
    const { found } = await scanAll(store, 't/f');
    expect(found.map(({ entry: { type, path, sizeBytes, mode } }) => [type, path, sizeBytes, mode])).toEqual([
      ['file', '', 5, 0o640],
    ]);
    expect(found[0]!.identity).toBe(await identityOf(store, 't/f'));
  });

  it('a content store scans only the children with depth 1', async () => {
    const items = [directory(''), directory('d'), file('d/deep', 'x'), file('f', 'y'), symlink('l', 'd')];
    const store = await placeWith(makeStore, items);
    const { found } = await scanAll(store, 't', { depth: 1 });
    expect(found.map(({ entry }) => entry.path)).toEqual(['', 'd', 'f', 'l']);
  });

  it('a content store scans an empty store as an empty directory', async () => {
    const { store } = await openPlace(makeStore);
    const { found } = await scanAll(store, '');
    expect(found.map(({ entry }) => [entry.type, entry.path])).toEqual([['directory', '']]);
  });

  it.each([
    ['not-found', 't/missing'],
    ['not-found', 't/d/missing'],
    ['not-directory', 't/f/below'],
    ['symlink-refused', 't/l/deep'],
  ])('a content store refuses with %s to scan %s', async (code, path) => {
    const items = [directory(''), directory('d'), file('d/deep', 'x'), file('f', 'y'), symlink('l', 'd')];
    const store = await placeWith(makeStore, items);
    expect(await codeOf(() => scanAll(store, path))).toBe(code);
  });
}

function lookupTests(makeStore: MakeStore): void {
  it('a content store looks up what is there and what is not, in the order of the question', async () => {
    const items = [directory(''), directory('d'), file('f', '12345'), symlink('l', 'nowhere')];
    const store = await placeWith(makeStore, items);
    const found = await store.lookup(['t/l', 't/none', 't/f', 't/d', 't/none/at/all', 't/f/below', 't', '']);
    expect(
      found.map((there) => there && [there.entry.type, there.entry.sizeBytes, there.entry.linkTarget]),
    ).toEqual([
      ['symlink', 0, 'nowhere'],
      undefined,
      ['file', 5, ''],
      ['directory', 0, ''],
      undefined,
      undefined,
      ['directory', 0, ''],
      ['directory', 0, ''],
    ]);
  });

  it('a content store refuses to look through a symlink', async () => {
    const store = await placeWith(makeStore, [
      directory(''),
      directory('d'),
      file('d/f', 'x'),
      symlink('l', 'd'),
    ]);
    expect(await codeOf(() => store.lookup(['t/l/f']))).toBe('symlink-refused');
  });

  it('a content store gives another identity to another version, the same to the same', async () => {
    const store = await placeWith(makeStore, [directory(''), file('f', 'one')]);
    const first = await identityOf(store, 't/f');
    expect(await identityOf(store, 't/f')).toBe(first);
    await putTree(store, 't', [directory(''), file('f', 'two')]);
    expect(await identityOf(store, 't/f')).not.toBe(first);
  });
}

function readTests(makeStore: MakeStore): void {
  it.each([
    [0, 0],
    [0, 1],
    [7, 7],
    [3, 10],
    [MEBIBYTE - 1, MEBIBYTE + 1],
    [0, 3 * MEBIBYTE + 17],
    [3 * MEBIBYTE + 16, 3 * MEBIBYTE + 17],
  ])('a content store reads the bytes from %i to %i', async (from, to) => {
    const big = file('f', 3 * MEBIBYTE + 17);
    const store = await placeWith(makeStore, [directory(''), big]);
    const identity = await identityOf(store, 't/f');
    const bytes = await collect(store.read('t/f', { from, to }, identity));
    expect(bytes.equals(big.bytes.subarray(from, to))).toBe(true);
  });

  it('a content store refuses to read a file that is no longer the one that was scanned', async () => {
    const store = await placeWith(makeStore, [directory(''), file('f', 'one')]);
    const identity = await identityOf(store, 't/f');
    await putTree(store, 't', [directory(''), file('f', 'two')]);
    let pieces = 0;
    const code = await codeOf(async () => {
      for await (const piece of store.read('t/f', { from: 0, to: 3 }, identity)) pieces += piece.length;
    });
    expect([code, pieces]).toEqual(['source-changed', 0]);
  });

  it('a content store says that a file changed while it was read', async () => {
    const store = await placeWith(makeStore, [directory(''), file('f', 4 * MEBIBYTE)]);
    const identity = await identityOf(store, 't/f');
    let replaced = false;
    const code = await codeOf(async () => {
      for await (const _piece of store.read('t/f', { from: 0, to: 4 * MEBIBYTE }, identity)) {
        if (!replaced) await putTree(store, 't', [directory(''), file('f', 'another')]);
        replaced = true;
      }
    });
    expect([code, replaced]).toEqual(['source-changed', true]);
  });

  it('a content store says that a file is shorter than the range that is asked for', async () => {
    const store = await placeWith(makeStore, [directory(''), file('f', 'short')]);
    expect(await codeOf(() => collect(store.read('t/f', { from: 0, to: 100 })))).toBe('source-changed');
  });

  it.each([
    ['source-missing', 't/none'],
    ['source-unreadable', 't/d'],
    ['symlink-refused', 't/l/f'],
  ])('a content store refuses with %s to read %s', async (code, path) => {
    const store = await placeWith(makeStore, [
      directory(''),
      directory('d'),
      file('d/f', 'x'),
      symlink('l', 'd'),
    ]);
    expect(await codeOf(() => collect(store.read(path, { from: 0, to: 1 })))).toBe(code);
  });

  it('a content store does not read through a symlink', async () => {
    const store = await placeWith(makeStore, [directory(''), file('f', 'secret'), symlink('l', 'f')]);
    expect(await codeOf(() => collect(store.read('t/l', { from: 0, to: 6 })))).not.toBe('done');
  });
}
