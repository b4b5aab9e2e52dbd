import { expect, it } from 'vitest';
import type { ContentStore, PublishOrder } from '../../src/storage/content-store.ts';
import { expectTree } from './expected-tree.ts';
import {
  begin,
  codeOf,
  directory,
  file,
  openPlace,
  orderOf,
  publishOver,
  putTree,
  stageAll,
  symlink,
  transferOf,
  type Item,
  type MakeStore,
} from './staged-transfer.ts';

const publish = publishOver('adding-of-these-tests1');
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

/** Publishes and answers what was refused, by path. */
async function refusalsOf(
  store: ContentStore,
  items: readonly Item[],
  order: Partial<PublishOrder>,
): Promise<Record<string, string>> {
  const sorted = transferOf(store, 'there', items).items;
  const refused: Record<string, string> = {};
  await publish(store, items, () => ({
    onRefused: (index, { code }) => {
      refused[sorted[index]!.entry.path] = code;
    },
    ...order,
  }));
  return refused;
}

const byPath = (items: readonly Item[], path: string): Item =>
  items.find(({ entry }) => entry.path === path)!;
const named = (item: Item, path: string): Item => ({ ...item, entry: { ...item.entry, path } });

/** What a store has at a path below `there`; undefined where nothing is. */
async function typeAt(store: ContentStore, path: string): Promise<string | undefined> {
  return (await store.lookup([`there/${path}`]))[0]?.entry.type;
}

/** Registers the tests of publishing that replaces nothing. */
export function addingTests(makeStore: MakeStore): void {
  it('keeps what is there, names what it has not put beside it, and adds the rest', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', THERE);
    const exists = 'destination-exists';
    const expected = { 'f.txt': exists, 'large': exists, 'link': exists, 'sub/in': exists };
    expect(await refusalsOf(store, COMING, { existing: 'kept' })).toEqual(expected);
    for (const { entry } of THERE) {
      const [found] = await store.lookup([entry.path === '' ? 'there' : `there/${entry.path}`]);
      expect(found?.entry.mode, entry.path).toBe(entry.mode);
    }
    await expectTree(store, 'there/f.txt', [named(byPath(THERE, 'f.txt'), '')]);
    await expectTree(store, 'there/sub/in', [named(byPath(THERE, 'sub/in'), '')]);
    await expectTree(store, 'there/new', [named(byPath(COMING, 'new'), '')]);
    await expectTree(store, 'there/sub/new', [named(byPath(COMING, 'sub/new'), '')]);
  });

  it('puts what comes beside what is there, under a name of its own', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', THERE);
    expect(await refusalsOf(store, COMING, { existing: 'renamed' })).toEqual({});
    for (const path of ['f.txt', 'large', 'sub/in'])
      await expectTree(store, `there/${path}`, [named(byPath(THERE, path), '')]);
    await expectTree(store, 'there/f (2).txt', [named(byPath(COMING, 'f.txt'), '')]);
    await expectTree(store, 'there/large (2)', [named(byPath(COMING, 'large'), '')]);
    await expectTree(store, 'there/sub/in (2)', [named(byPath(COMING, 'sub/in'), '')]);
    expect((await store.lookup(['there/link (2)']))[0]?.entry.linkTarget).toBe('new');
    await refusalsOf(store, [directory(''), file('f.txt', 'third')], { existing: 'renamed' });
    expect(await typeAt(store, 'f (3).txt')).toBe('file');
  });

  it.each(['kept', 'renamed'] as const)(
    'says nothing of the type of what is there, which is %s',
    async (existing) => {
      const { store } = await openPlace(makeStore);
      await putTree(store, 'there', [directory(''), file('a', 'old'), directory('b'), file('b/in', 'old')]);
      const coming = [directory(''), directory('a'), file('a/in', 'new'), file('b', 'new'), file('c', 'new')];
      const refused = await refusalsOf(store, coming, { existing, forceReplace: true });
      const code = 'destination-exists';
      expect(refused).toEqual(
        existing === 'kept' ? { 'a': code, 'a/in': code, 'b': code } : { 'a': code, 'a/in': code },
      );
      expect([await typeAt(store, 'a'), await typeAt(store, 'b'), await typeAt(store, 'c')]).toEqual([
        'file',
        'directory',
        'file',
      ]);
      expect(await typeAt(store, 'b (2)')).toBe(existing === 'kept' ? undefined : 'file');
    },
  );

  it('refuses the transfer whole where the one file of it is there', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', [file('', 'old')]);
    const order = { existing: 'kept' } as const;
    expect(await codeOf(() => refusalsOf(store, [file('', 'new')], order))).toBe('destination-exists');
    await expectTree(store, 'there', [file('', 'old')]);
  });

  it.each(['kept', 'renamed'] as const)(
    'adds everything once, also when it is done again (%s)',
    async (existing) => {
      const { store } = await openPlace(makeStore);
      await putTree(store, 'there', THERE);
      const transfer = transferOf(store, 'there', COMING);
      const { area, staging } = await begin(store, 'adding-of-these-tests2', transfer);
      await stageAll(staging, transfer);
      const refused: number[][] = [];
      for (let time = 0; time < 2; time += 1) {
        const indices: number[] = [];
        await staging.publish(
          orderOf(transfer, { existing, onRefused: (index) => void indices.push(index) }),
        );
        refused.push(indices);
      }
      expect(refused[1]).toEqual(refused[0]);
      await staging.close();
      await area.discard();
      expect(await typeAt(store, 'new')).toBe('file');
      expect(await typeAt(store, 'new (2)')).toBe(undefined);
      expect(await typeAt(store, 'f (2).txt')).toBe(existing === 'renamed' ? 'file' : undefined);
      expect(await typeAt(store, 'f (3).txt')).toBe(undefined);
    },
  );

  it('sets no mode and no time of what is there', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', THERE);
    const touched = THERE.map((item) => ({ ...item, entry: { ...item.entry, mtimeNs: 5n * 10n ** 17n } }));
    await publish(store, touched, () => ({
      existing: 'kept',
      isPresent: () => true,
      needsAttributes: () => true,
      onRefused: () => expect.fail(),
    }));
    await expectTree(store, 'there/f.txt', [named(byPath(THERE, 'f.txt'), '')]);
  });

  it('leaves the mode of a target alone that was there, where the transfer says so', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', [directory('', { mode: 0o750 })]);
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
