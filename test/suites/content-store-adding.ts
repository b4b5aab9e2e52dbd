import { expect, it } from 'vitest';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { expectThere, publishOver, refusalsOf, storeWith, typesAt } from './publish-over.ts';
import {
  codeOf,
  directory,
  file,
  orderOf,
  stageAll,
  symlink,
  transferOf,
  type Item,
  type MakeStore,
} from './staged-transfer.ts';

const LARGE = 200_000;

/** What was there, of every kind, and what comes with the same names. */
const THERE = [
  directory('', { mode: 0o750 }),
  file('f.txt', 'old'),
  file('large', LARGE, { mode: 0o600 }),
  symlink('link', 'old'),
  directory('sub', { mode: 0o711 }),
  file('sub/in', 'old'),
];
const COMING = [
  directory(''),
  file('f.txt', 'new'),
  file('large', LARGE + 1),
  symlink('link', 'new'),
  file('new', 'new'),
  directory('sub'),
  file('sub/in', 'new'),
  file('sub/new', 'new'),
];

/** What is at a path below `there` is what `items` have there, by whatever name. */
async function expectOf(
  store: ContentStore,
  path: string,
  items: readonly Item[],
  name = path,
): Promise<void> {
  const item = items.find(({ entry }) => entry.path === name)!;
  await expectThere(store, [{ ...item, entry: { ...item.entry, path: '' } }], path);
}

/** Registers the tests of publishing that replaces nothing. */
export function addingTests(makeStore: MakeStore): void {
  it('a content store keeps what is there, names what it has not put beside it, and adds the rest', async () => {
    const store = await storeWith(makeStore, THERE);
    const exists = 'destination-exists';
    const expected = { 'f.txt': exists, 'large': exists, 'link': exists, 'sub/in': exists };
    expect(await refusalsOf(store, COMING, { existing: 'kept' })).toEqual(expected);
    for (const { entry } of THERE) {
      const [found] = await store.lookup([entry.path === '' ? 'there' : `there/${entry.path}`]);
      expect(found?.entry.mode, entry.path).toBe(entry.mode);
    }
    await expectOf(store, 'f.txt', THERE);
    await expectOf(store, 'sub/in', THERE);
    await expectOf(store, 'new', COMING);
    await expectOf(store, 'sub/new', COMING);
  });

  it('a content store puts new entries beside what is there, under names of their own', async () => {
    const store = await storeWith(makeStore, THERE);
    expect(await refusalsOf(store, COMING, { existing: 'renamed' })).toEqual({});
    for (const path of ['f.txt', 'large', 'sub/in']) await expectOf(store, path, THERE);
    await expectOf(store, 'f (2).txt', COMING, 'f.txt');
    await expectOf(store, 'large (2)', COMING, 'large');
    await expectOf(store, 'sub/in (2)', COMING, 'sub/in');
    expect((await store.lookup(['there/link (2)']))[0]?.entry.linkTarget).toBe('new');
    await refusalsOf(store, [directory(''), file('f.txt', 'third')], { existing: 'renamed' });
    expect(await typesAt(store, 'f (3).txt')).toEqual(['file']);
  });

  it.each(['kept', 'renamed'] as const)(
    'a content store tells nothing of the type of an entry that is there and is %s',
    async (existing) => {
      const store = await storeWith(makeStore, [
        directory(''),
        file('a', 'old'),
        directory('b'),
        file('b/in', 'old'),
      ]);
      const coming = [directory(''), directory('a'), file('a/in', 'new'), file('b', 'new'), file('c', 'new')];
      const refused = await refusalsOf(store, coming, { existing, forceReplace: true });
      const code = 'destination-exists';
      expect(refused).toEqual(
        existing === 'kept' ? { 'a': code, 'a/in': code, 'b': code } : { 'a': code, 'a/in': code },
      );
      expect(await typesAt(store, 'a', 'b', 'c')).toEqual(['file', 'directory', 'file']);
      expect(await typesAt(store, 'b (2)')).toEqual([existing === 'kept' ? undefined : 'file']);
    },
  );

  it('a content store refuses a transfer whose one file is there', async () => {
    const store = await storeWith(makeStore, [file('', 'old')]);
    const order = { existing: 'kept' } as const;
    expect(await codeOf(() => refusalsOf(store, [file('', 'new')], order))).toBe('destination-exists');
    await expectThere(store, [file('', 'old')]);
  });

  it.each(['kept', 'renamed'] as const)(
    'a content store adds everything once, also when it publishes twice (%s)',
    async (existing) => {
      const store = await storeWith(makeStore, THERE);
      await refusalsOf(store, COMING, { existing }, 2);
      const added = existing === 'renamed' ? 'file' : undefined;
      const types = await typesAt(store, 'new', 'new (2)', 'f (2).txt', 'f (3).txt');
      expect(types).toEqual(['file', undefined, added, undefined]);
    },
  );

  it('a content store sets no mode and no time of what is there', async () => {
    const store = await storeWith(makeStore, THERE);
    const touched = THERE.map((item) => ({ ...item, entry: { ...item.entry, mtimeNs: 5n * 10n ** 17n } }));
    await publishOver(store, touched, {
      existing: 'kept',
      isPresent: () => true,
      needsAttributes: () => true,
    });
    await expectOf(store, 'f.txt', THERE);
  });

  it('a content store keeps the mode of a target that was there, where the transfer says so', async () => {
    const store = await storeWith(makeStore, [directory('', { mode: 0o750 })]);
    for (const [keepsTarget, mode] of [
      [true, 0o750],
      [false, 0o711],
    ] as const) {
      const transfer = transferOf(store, 'there', [directory('', { mode: 0o711 }), file('a', 'a')]);
      const area = await store.openStaging('adding-of-these-tests3');
      const staging = await area.openChunks({ ...transfer, modes: { keepsTarget } });
      await stageAll(staging, transfer);
      await staging.publish(orderOf(transfer));
      await staging.close();
      await area.discard();
      expect((await store.lookup(['there']))[0]?.entry.mode).toBe(mode);
    }
  });
}
