import { expect, it } from 'vitest';
import { readFile } from './expected-tree.ts';
import { expectThere, publishOver, storeWith } from './publish-over.ts';
import {
  begin,
  chunkSizeOf,
  codeOf,
  directory,
  file,
  openPlace,
  orderOf,
  putTree,
  stageAll,
  symlink,
  transferOf,
  type MakeStore,
} from './staged-transfer.ts';

const ID = 'replace-of-these-tests';

/** Registers the tests of publishing over what is there. */
export function replaceTests(makeStore: MakeStore): void {
  it('a content store replaces a file only when the new one is published', async () => {
    const { store } = await openPlace(makeStore);
    const size = chunkSizeOf(store);
    await putTree(store, 'there', [
      directory(''),
      file('f', 'old'),
      file('packed', 'old too'),
      file('other', 'stays'),
    ]);
    const items = [directory(''), file('f', 2 * size + 1), file('packed', 'new')];
    const transfer = transferOf(store, 'there', items);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    expect((await readFile(store, 'there/f')).toString()).toBe('old');
    expect((await readFile(store, 'there/packed')).toString()).toBe('old too');
    await staging.publish(orderOf(transfer));
    await staging.close();
    await expectThere(store, [...items, file('other', 'stays')]);
  });

  it('a content store replaces a symlink itself, not what it points to', async () => {
    const store = await storeWith(makeStore, [
      directory(''),
      file('aim', 'untouched'),
      symlink('a', 'aim'),
      symlink('b', 'aim'),
    ]);
    const items = [directory(''), file('a', 'a file now'), symlink('b', 'elsewhere')];
    await publishOver(store, items);
    await expectThere(store, [...items, file('aim', 'untouched')]);
  });

  it('a content store replaces a file by a symlink', async () => {
    const store = await storeWith(makeStore, [directory(''), file('a', 'a file')]);
    await publishOver(store, [directory(''), symlink('a', 'b')]);
    await expectThere(store, [directory(''), symlink('a', 'b')]);
  });

  it('a content store publishes into directories that nobody may write to, the first time and again', async () => {
    const { store } = await openPlace(makeStore);
    const closed = [
      directory(''),
      directory('closed', { mode: 0o555 }),
      directory('closed/in', { mode: 0o500 }),
    ];
    for (const content of ['old', 'new']) {
      const items = [...closed, file('closed/f', content), file('closed/in/f', content, { mode: 0o400 })];
      await publishOver(store, items);
      await expectThere(store, items);
    }
    const open = [directory(''), directory('closed'), directory('closed/in')]; // or the test could not clean up
    await publishOver(store, open, { isPresent: () => true, needsAttributes: () => true });
  });

  it('a content store leaves excluded entries alone, old and new', async () => {
    const store = await storeWith(makeStore, [directory(''), file('broken', 'old'), file('fine', 'old')]);
    const items = [directory(''), file('broken', 'new'), file('broken too', 'new'), file('fine', 'new')];
    await publishOver(store, items, (indexOf) => ({
      isExcluded: (index) => index === indexOf('broken') || index === indexOf('broken too'),
    }));
    await expectThere(store, [directory(''), file('broken', 'old'), file('fine', 'new')]);
  });

  it('a content store needs no chunks of what is present, and sets attributes where that is asked', async () => {
    const { store } = await openPlace(makeStore);
    const size = chunkSizeOf(store);
    const old = { mode: 0o600, mtimeNs: 1_000_000_000_000_000_000n };
    const before = [file('same', size + 1, old), file('touched', size + 2, old), file('new', 'old')];
    await putTree(store, 'there', [
      directory('', { ...old, mode: 0o700 }),
      directory('d', { ...old, mode: 0o700 }),
      ...before,
    ]);
    const items = [
      directory(''),
      directory('d', { mode: 0o750 }),
      file('new', 'newer'),
      file('same', size + 1, old),
      file('touched', size + 2, { mode: 0o640 }),
    ];
    await publishOver(store, items, (indexOf) => {
      const needsAttributes = (index: number): boolean =>
        index !== indexOf('same') && index !== indexOf('new');
      return { isPresent: (index) => index !== indexOf('new'), needsAttributes };
    });
    await expectThere(store, items);
  });

  it('a content store refuses a target below a file, and below a symlink', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, '', [directory(''), file('f', 'a file'), directory('d'), symlink('l', 'd')]);
    expect(await codeOf(() => putTree(store, 'f/below', [file('', 'x')]))).toBe('not-directory');
    expect(['symlink-refused', 'not-directory']).toContain(
      await codeOf(() => putTree(store, 'l/below', [file('', 'x')])),
    );
    expect(await store.lookup(['d/below'])).toEqual([undefined]);
  });
}
