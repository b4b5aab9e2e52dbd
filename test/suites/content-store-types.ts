import { expect, it } from 'vitest';
import { expectThere, publishOver, refusalsOf, storeWith, typesAt } from './publish-over.ts';
import { codeOf, directory, file, symlink, type Item, type MakeStore } from './staged-transfer.ts';

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

/** Registers the tests of entries that have another type than what is in their place. */
export function typeTests(makeStore: MakeStore): void {
  it.each([
    ['a file', 'a directory'],
    ['a symlink', 'a directory'],
    ['a file', 'a symlink'],
    ['a symlink', 'a file'],
    ['an empty directory', 'a file'],
    ['an empty directory', 'a symlink'],
  ] as const)('a content store replaces %s by %s, since nothing is lost', async (there, wanted) => {
    const store = await storeWith(makeStore, tree(MADE[there]));
    expect(await refusalsOf(store, tree(MADE[wanted]))).toEqual({});
    await expectThere(store, tree(MADE[wanted]));
  });

  it.each(['a file', 'a symlink'] as const)(
    'a content store leaves a directory with entries in the place of %s, names it, and publishes the rest',
    async (wanted) => {
      const store = await storeWith(makeStore, tree(MADE['a directory']));
      const after = [directory(''), file('before', 'other'), ...MADE[wanted], file('z', 'other')];
      expect(await refusalsOf(store, after)).toEqual({ x: 'is-directory' });
      const kept = [directory(''), file('before', 'other'), ...MADE['a directory'], file('z', 'other')];
      await expectThere(store, kept);
    },
  );

  it('a directory that has entries stays also where it comes behind new directories', async () => {
    const store = await storeWith(makeStore, tree(MADE['a directory']));
    const made = [directory('a'), directory('a/deep'), file('a/deep/f', 'new'), file('a/f', 'new')];
    const after = [directory(''), ...made, ...MADE['a file'], directory('y'), file('y/f', 'new')];
    expect(await refusalsOf(store, after)).toEqual({ x: 'is-directory' });
    expect(await typesAt(store, 'a/deep/f', 'a/f', 'x', 'y/f')).toEqual([
      'file',
      'file',
      'directory',
      'file',
    ]);
  });

  it('a content store changes nothing where a directory has entries and nobody can be told of it', async () => {
    const store = await storeWith(makeStore, tree(MADE['a directory']));
    const after = [directory(''), file('before', 'other'), file('x', 'new'), file('z', 'other')];
    expect(await codeOf(() => publishOver(store, after))).toBe('is-directory');
    await expectThere(store, tree(MADE['a directory']));
  });

  it.each(['a file', 'a symlink'] as const)(
    'a content store replaces a directory that has entries by %s where the order says so',
    async (wanted) => {
      const deep = [directory('x'), directory('x/closed', { mode: 0o500 }), file('x/closed/f', 'old')];
      const store = await storeWith(makeStore, tree(deep));
      expect(await refusalsOf(store, tree(MADE[wanted]), { forceReplace: true })).toEqual({});
      await expectThere(store, tree(MADE[wanted]));
    },
  );

  it('a content store follows or replaces no link to a directory where a directory should be, unless asked', async () => {
    const store = await storeWith(makeStore, [directory(''), directory('real'), symlink('x', 'real')]);
    const after = [directory(''), directory('x'), file('x/child', 'new'), file('z', 'new')];
    expect(await codeOf(() => publishOver(store, after))).toBe('symlink-refused');
    expect(await refusalsOf(store, after)).toEqual({ 'x': 'symlink-refused', 'x/child': 'symlink-refused' });
    expect(await typesAt(store, 'real/child', 'x', 'z')).toEqual([undefined, 'symlink', 'file']);
    expect(await refusalsOf(store, after, { forceReplace: true })).toEqual({});
    expect(await typesAt(store, 'real/child', 'x/child')).toEqual([undefined, 'file']);
  });

  it('a content store refuses a transfer whose own root would replace a directory that has entries', async () => {
    const store = await storeWith(makeStore, tree([]));
    expect(await codeOf(() => refusalsOf(store, [file('', 'a file')]))).toBe('is-directory');
    await expectThere(store, tree([]));
  });

  it('a content store publishes again, as after a crash, what changed its type', async () => {
    const store = await storeWith(makeStore, tree([file('x', 'old'), directory('y'), file('y/in', 'old')]));
    const after = tree([...MADE['a directory'], file('y', 'new')]);
    expect(await refusalsOf(store, after, { forceReplace: true }, 2)).toEqual({});
    await expectThere(store, after);
  });
}
