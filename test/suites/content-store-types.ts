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

const publish = publishOver('types-of-these-tests');

const MADE = {
  'a directory': [directory('x'), file('x/child', 'new')],
  'an empty directory': [directory('x')],
  'a file': [file('x', 'new')],
  'a symlink': [symlink('x', 'new')],
} as const;

const tree = (items: readonly Item[]): Item[] => [
  directory(''),
  file('before', '1'),
  ...items,
  file('z', '2'),
];

/** Publishes and answers what was refused, by path. */
async function refusalsOf(
  store: ContentStore,
  items: readonly Item[],
  order: Partial<PublishOrder> = {},
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

/** Registers the tests of entries that have another type than what is in their place. */
export function typeTests(makeStore: MakeStore): void {
  it.each([
    ['a file', 'a directory'],
    ['a symlink', 'a directory'],
    ['a file', 'a symlink'],
    ['a symlink', 'a file'],
    ['an empty directory', 'a file'],
    ['an empty directory', 'a symlink'],
  ] as const)('replaces %s by %s, since nothing is lost', async (there, wanted) => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', tree(MADE[there]));
    expect(await refusalsOf(store, tree(MADE[wanted]))).toEqual({});
    await expectTree(store, 'there', tree(MADE[wanted]));
  });

  it.each(['a file', 'a symlink'] as const)(
    'leaves a directory that has entries where %s shall be, names it, and publishes the rest',
    async (wanted) => {
      const { store } = await openPlace(makeStore);
      await putTree(store, 'there', tree(MADE['a directory']));
      const after = [directory(''), file('before', 'other'), ...MADE[wanted], file('z', 'other')];
      expect(await refusalsOf(store, after)).toEqual({ x: 'is-directory' });
      const kept = [directory(''), file('before', 'other'), ...MADE['a directory'], file('z', 'other')];
      await expectTree(store, 'there', kept);
    },
  );

  it('ends before anything is changed where a directory has entries and nobody can be told of it', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', tree(MADE['a directory']));
    const after = [directory(''), file('before', 'other'), file('x', 'new'), file('z', 'other')];
    expect(await codeOf(() => publish(store, after, () => ({})))).toBe('is-directory');
    await expectTree(store, 'there', tree(MADE['a directory']));
  });

  it.each(['a file', 'a symlink'] as const)(
    'replaces a directory that has entries by %s where the order says so',
    async (wanted) => {
      const { store } = await openPlace(makeStore);
      const deep = [directory('x'), directory('x/closed', { mode: 0o500 }), file('x/closed/f', 'old')];
      await putTree(store, 'there', tree(deep));
      expect(await refusalsOf(store, tree(MADE[wanted]), { forceReplace: true })).toEqual({});
      await expectTree(store, 'there', tree(MADE[wanted]));
    },
  );

  it('neither follows nor replaces a link to a directory where a directory should be, unless asked', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', [directory(''), directory('real'), symlink('x', 'real')]);
    const after = [directory(''), directory('x'), file('x/child', 'new'), file('z', 'new')];
    expect(await codeOf(() => publish(store, after, () => ({})))).toBe('symlink-refused');
    expect(await refusalsOf(store, after)).toEqual({ 'x': 'symlink-refused', 'x/child': 'symlink-refused' });
    expect(
      (await store.lookup(['there/real/child', 'there/x', 'there/z'])).map((at) => at?.entry.type),
    ).toEqual([undefined, 'symlink', 'file']);
    expect(await refusalsOf(store, after, { forceReplace: true })).toEqual({});
    expect((await store.lookup(['there/real/child', 'there/x/child'])).map((at) => at?.entry.type)).toEqual([
      undefined,
      'file',
    ]);
  });

  it('refuses the transfer whole where its own root would replace a directory that has entries', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', tree([]));
    expect(await codeOf(() => refusalsOf(store, [file('', 'a file')]))).toBe('is-directory');
    await expectTree(store, 'there', tree([]));
  });

  it('publishes again what changed its type, as after a crash', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'there', tree([file('x', 'old'), directory('y'), file('y/in', 'old')]));
    const transfer = transferOf(store, 'there', tree([...MADE['a directory'], file('y', 'new')]));
    const { area, staging } = await begin(store, 'types-of-these-tests', transfer);
    await stageAll(staging, transfer);
    for (let time = 0; time < 2; time += 1)
      await staging.publish(orderOf(transfer, { forceReplace: true, onRefused: () => expect.fail() }));
    await staging.close();
    await area.discard();
    await expectTree(store, 'there', transfer.items);
  });
}
