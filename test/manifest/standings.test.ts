import fc from 'fast-check';
import { expect, test } from 'vitest';
import { comparePaths } from '../../src/base/safe-path.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import { createStandings, type Standing } from '../../src/manifest/standings.ts';
import { arbitraryTree, entryOf } from './arbitrary-tree.ts';

const trees = arbitraryTree(fc.constant(0));

function standings(manifest: readonly string[], there: readonly string[]): Record<string, Standing> {
  const table = EntryTable.from(manifest.map((path) => entryOf('file', path)));
  const standingOf = createStandings(table);
  return Object.fromEntries(there.map((path) => [path, standingOf(path)]));
}

test('an entry that a manifest lacks in a directory that it has is extra, with all that is below', () => {
  expect(standings(['', 'a', 'a/b', 'c'], ['', 'a', 'a/b', 'a/x', 'a/x/y', 'b', 'c'])).toEqual({
    '': 'wanted',
    'a': 'wanted',
    'a/b': 'wanted',
    'a/x': 'extra',
    'a/x/y': 'extra',
    'b': 'extra',
    'c': 'wanted',
  });
});

test('an entry in a directory that is to become a file is extra', () => {
  expect(standings(['', 'a'], ['', 'a', 'a/b'])).toMatchObject({ 'a/b': 'extra' });
});

test('an entry beside several sources is outside, and one in them is not', () => {
  expect(standings(['a', 'a/b', 'c'], ['', 'a', 'a/x', 'b', 'b/y', 'c'])).toEqual({
    '': 'outside',
    'a': 'wanted',
    'a/x': 'extra',
    'b': 'outside',
    'b/y': 'outside',
    'c': 'wanted',
  });
});

test('an entry whose name begins like another is not taken for one below that', () => {
  expect(standings(['a', 'a/b'], ['', 'a', 'a/b', 'a.txt'])).toMatchObject({ 'a.txt': 'outside' });
});

test('exactly those paths of two trees with a root are extra that only the destination has', () => {
  fc.assert(
    fc.property(trees, trees, (manifest, there) => {
      const paths = (entries: readonly { path: string }[]): string[] =>
        [...new Set(['', ...entries.map(({ path }) => path)])].toSorted(comparePaths);
      const wanted = new Set(paths(manifest));
      const table = EntryTable.from(paths(manifest).map((path) => entryOf('directory', path)));
      const standingOf = createStandings(table);
      for (const path of paths(there)) expect(standingOf(path)).toBe(wanted.has(path) ? 'wanted' : 'extra');
    }),
  );
});
