import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { list } from '../../src/client/list.ts';
import { selectEntries, type RemoteSelection } from '../../src/client/transfer/remote-selection.ts';
import { ancestorsOf, comparePaths } from '../../src/base/safe-path.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import type { Entry } from '../../src/manifest/entry.ts';
import { parseListedPaths } from '../../src/manifest/selection-list.ts';
import { rulesIn } from '../../src/manifest/selection-rules.ts';
import { CACHE_TAG, createSelector, SELECT_ALL, type Selection } from '../../src/manifest/selection.ts';
import { openScene } from './support/scene.ts';

/** Entries in canonical order; a slash at the end marks a directory. */
function table(paths: readonly string[]): EntryTable {
  return EntryTable.from(
    paths.map((path): Entry => {
      const isDirectory = path.endsWith('/');
      return {
        type: isDirectory ? 'directory' : 'file',
        path: isDirectory ? path.slice(0, -1) : path,
        sizeBytes: isDirectory ? 0 : 10,
        mode: 0o644,
        mtimeNs: 0n,
        linkTarget: '',
      };
    }),
  );
}

const TREE = ['/', 'a/', 'a/b/', 'a/b/c', 'a/b.o', 'a-b', 'd.o'];

function select(
  wish: Partial<Selection>,
  paths: readonly string[] = TREE,
  name = 'tree',
): RemoteSelection & { told: string[] } {
  const told: string[] = [];
  const selector = createSelector({ ...SELECT_ALL, ...wish }, 0);
  const onUnselected = (path: string): void => void told.push(path);
  return { ...selectEntries(table(paths), selector, { name, onUnselected }), told };
}

const listed = (text: string): Selection['listed'] => parseListedPaths(Buffer.from(text), 'LIST', false);

test('a directory that a selection leaves out takes all below it along, and counts once', () => {
  const { unselected, count, told } = select({ rules: rulesIn('a/\n', '--exclude') });
  expect([...unselected.values()].map((index) => TREE[index])).toEqual(['a/', 'a/b/', 'a/b/c', 'a/b.o']);
  expect({ count, told }).toEqual({ count: 1, told: ['a'] });
});

test('entries that a list does not name are not counted, and names that are not there are reported', () => {
  const { unselected, count, told, missing } = select({
    listed: listed('a/b\na/b.o\nnowhere\nx.o\nd.o'),
    rules: rulesIn('*.o', '--exclude'),
  });
  expect([...unselected.values()].map((index) => TREE[index])).toEqual(['a/b.o', 'a-b', 'd.o']);
  expect({ count, told }).toEqual({ count: 2, told: ['a/b.o', 'd.o'] });
  expect(missing.map(({ path }) => path)).toEqual(['nowhere']);
});

test('one file is selected by its own name, and takes no list of paths', () => {
  const { unselected, told } = select({ rules: rulesIn('*.o', '--exclude') }, [''], 'x.o');
  expect([unselected.size, told]).toEqual([1, ['x.o']]);
  expect(() => select({ listed: listed('a') }, [''], 'x.o')).toThrow('"x.o" is no directory');
});

const NAMES = ['a', 'b', 'a.o', 'b.o'];
const RULES = ['a', 'b/', '*.o', '!a.o', '/a', '*', '!*/', 'a/**', '!b', '/b/*', '!/b/a'];

test('every entry that is selected has its directories, whatever the rules', () => {
  const leaf = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 });
  const leaves = fc.uniqueArray(
    leaf.map((names) => names.join('/')),
    { maxLength: 12 },
  );
  const rules = fc.array(fc.constantFrom(...RULES), { maxLength: 4 });
  fc.assert(
    fc.property(leaves, rules, (paths, lines) => {
      const directories = new Set(paths.flatMap(ancestorsOf));
      const all = [...new Set([...directories, ...paths])].toSorted(comparePaths);
      const entries = all.map((path) => (directories.has(path) ? `${path}/` : path));
      const { unselected } = select({ rules: rulesIn(lines.join('\n'), 'test') }, entries);
      const taken = new Set(all.filter((_path, index) => !unselected.has(index)));
      const lost = [...taken].filter((path) => ancestorsOf(path).some((above) => !taken.has(above)));
      expect(lost).toEqual([]);
    }),
  );
});

test('a listing leaves directories empty that a tag marks as caches, and reads each tag for that', async () => {
  const { root, options } = await openScene();
  const tree = join(root, 'a tree');
  for (const [name, text] of Object.entries({
    'cache#1/CACHEDIR.TAG': `${CACHE_TAG.signature}\nand more`,
    'cache#1/deep/file': 'x',
    'other/CACHEDIR.TAG': 'S'.repeat(100),
    'short/CACHEDIR.TAG': 'Signature',
    'file': 'x',
  })) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    writeFileSync(join(tree, name), text);
  }
  const selection = { ...SELECT_ALL, excludesCaches: true };
  const found = async (urlPath: string): Promise<unknown> => {
    const { entries, unselected } = await list(options(urlPath, { selection }), { recursive: true });
    return [...Array.from(entries, (entry) => entry.path), unselected];
  };
  const rest = ['cache#1', 'cache#1/CACHEDIR.TAG', 'file', 'other', 'other/CACHEDIR.TAG', 'short'];
  expect(await found('/a%20tree')).toEqual(['', ...rest, 'short/CACHEDIR.TAG', 1]);
  expect(await found('/a%20tree/cache%231/')).toEqual(['', 'CACHEDIR.TAG', 1]);
  const { unselected } = await list(options('/', { selection }), { recursive: true });
  expect(unselected).toBe(1);
});
