import { describe, expect, test } from 'vitest';
import { parseListedPaths } from '../../src/manifest/selection-list.ts';
import { rulesIn } from '../../src/manifest/selection-rules.ts';
import {
  createSelector,
  SELECT_ALL,
  selectionId,
  selectsAll,
  type Candidate,
  type Selection,
  type Selector,
} from '../../src/manifest/selection.ts';

const NOW_MS = Date.UTC(2026, 10, 29);

function selector(wish: Partial<Selection> & { readonly lines?: string } = {}): Selector {
  const { lines = '', ...rest } = wish;
  return createSelector({ ...SELECT_ALL, rules: rulesIn(lines, '--exclude'), ...rest }, NOW_MS);
}

/** A path with a slash at its end is a directory. */
function at(path: string, more: Partial<Candidate> = {}): Candidate {
  const isDirectory = path.endsWith('/');
  return {
    path: isDirectory ? path.slice(0, -1) : path,
    type: isDirectory ? 'directory' : 'file',
    sizeBytes: 0,
    mtimeNs: BigInt(NOW_MS) * 1_000_000n,
    ...more,
  };
}

const listed = (...lines: string[]): Selection['listed'] =>
  parseListedPaths(Buffer.from(lines.join('\n')), 'the list', false);

describe('rules', () => {
  test('a rule leaves out an entry and all that is below it, and is reported', () => {
    const { unselected } = selector({ lines: 'node_modules/' });
    expect(unselected(at('a/node_modules/'))).toEqual({
      why: 'rule',
      rule: { pattern: 'node_modules/', from: '--exclude' },
    });
    expect(unselected(at('a/node_modules/b/c'))?.why).toBe('rule');
    expect(unselected(at('node_modules'))).toBeUndefined();
    expect(unselected(at('a/src'))).toBeUndefined();
  });

  test('the last rule that matches a path decides', () => {
    const { unselected } = selector({ lines: '*.log\n!keep.log\nold/keep.log' });
    expect(unselected(at('x.log'))).toBeDefined();
    expect(unselected(at('keep.log'))).toBeUndefined();
    expect(unselected(at('old/keep.log'))).toBeDefined();
  });

  test('a rule distinguishes upper and lower case', () => {
    expect(selector({ lines: '*.LOG' }).unselected(at('x.log'))).toBeUndefined();
  });

  test('no rule leaves out the top of the tree', () => {
    expect(selector({ lines: '*\n/\n**' }).unselected(at('/'))).toBeUndefined();
  });

  test('comments and empty lines of a file of rules are no rules, also in a file from Windows', () => {
    const text = '\uFEFF# comment\r\n\r\n   \r\n!\r\n/\r\n\\#name\r\n*.o \r\n';
    expect(rulesIn(text, 'f').map(({ pattern }) => pattern)).toEqual(['\\#name', '*.o ']);
  });

  test('a rule decides the same for a path after ten thousand others', () => {
    const { unselected } = selector({ lines: 'a/*\n!a/keep' });
    for (let count = 0; count < 20_001; count += 1) unselected(at(`b/${count}`));
    expect(unselected(at('a/x'))).toBeDefined();
    expect(unselected(at('a/keep'))).toBeUndefined();
  });
});

describe('ignore files', () => {
  test('an ignore file holds below its directory, and counts before those of directories above', () => {
    const of = selector();
    of.addIgnoreFile('', '*.tmp\nbuild');
    of.addIgnoreFile('a', '!*.tmp\n/only-here');
    expect(of.unselected(at('x.tmp'))).toBeDefined();
    expect(of.unselected(at('a/x.tmp'))).toBeUndefined();
    expect(of.unselected(at('a/b/x.tmp'))).toBeUndefined();
    expect(of.unselected(at('a/build'))).toBeDefined();
    expect(of.unselected(at('a/only-here'))?.why).toBe('rule');
    expect(of.unselected(at('a/b/only-here'))).toBeUndefined();
    expect(of.unselected(at('only-here'))).toBeUndefined();
    expect(of.unselected(at('ab/x.tmp'))).toBeDefined();
  });

  test('rules of options count before those of every ignore file', () => {
    const of = selector({ lines: '!x.tmp\nsecret' });
    of.addIgnoreFile('', '*.tmp');
    of.addIgnoreFile('a', '*.tmp\n!secret');
    expect(of.unselected(at('a/x.tmp'))).toBeUndefined();
    expect(of.unselected(at('a/y.tmp'))).toMatchObject({ rule: { from: 'a/.cairnignore' } });
    expect(of.unselected(at('a/secret'))).toMatchObject({ rule: { from: '--exclude' } });
  });

  test('an ignore file holds in a directory whose name has characters of a pattern', () => {
    const of = selector();
    of.addIgnoreFile('[ab]*?\\', 'x');
    expect(of.unselected(at('[ab]*?\\/x'))).toBeDefined();
    expect(of.unselected(at('[ab]*?\\/c/x'))).toBeDefined();
    expect(of.unselected(at('aa/x'))).toBeUndefined();
  });
});

describe('bounds', () => {
  test('bounds of size and age hold for files only, and are inclusive', () => {
    const HOUR_MS = 3_600_000;
    const { unselected } = selector({
      minSizeBytes: 10,
      maxSizeBytes: 20,
      minAgeMs: HOUR_MS,
      maxAgeMs: 2 * HOUR_MS,
    });
    const why = (sizeBytes: number, ageMs: number): string | undefined =>
      unselected(at('f', { sizeBytes, mtimeNs: BigInt(NOW_MS - ageMs) * 1_000_000n }))?.why;
    expect([why(9, HOUR_MS), why(10, HOUR_MS), why(20, 2 * HOUR_MS), why(21, HOUR_MS)]).toEqual([
      'too-small',
      undefined,
      undefined,
      'too-large',
    ]);
    expect([why(10, HOUR_MS - 1), why(10, 2 * HOUR_MS + 1)]).toEqual(['too-new', 'too-old']);
    expect(unselected(at('d/'))).toBeUndefined();
    expect(unselected(at('l', { type: 'symlink' }))).toBeUndefined();
  });
});

describe('lists of paths', () => {
  test('a listed directory is taken with its contents, and its parents come along', () => {
    const { unselected } = selector({ listed: listed('a/b', './c//d/', '', 'f') });
    const taken = ['a/', 'a/b/', 'a/b/x', 'a/b/x/y', 'c/', 'c/d', 'f'];
    const out = ['a/x', 'a/bb', 'c/x', 'ff', 'b/', 'a'];
    expect(taken.filter((path) => unselected(at(path)) !== undefined)).toEqual([]);
    expect(out.filter((path) => unselected(at(path)) === undefined)).toEqual([]);
  });

  test('rules and bounds hold for listed paths, too', () => {
    const { unselected } = selector({ listed: listed('a'), lines: '*.o', maxSizeBytes: 1 });
    expect(unselected(at('a/x.o'))?.why).toBe('rule');
    expect(unselected(at('a/x', { sizeBytes: 2 }))?.why).toBe('too-large');
  });

  test('a list without a path takes nothing but the top of the tree', () => {
    const { unselected } = selector({ listed: listed('', '') });
    expect(unselected(at('a'))?.why).toBe('not-listed');
    expect(unselected(at('/'))).toBeUndefined();
  });

  test('a dot in a list of paths stands for the whole tree', () => {
    expect(selector({ listed: listed('.') }).unselected(at('a/b'))).toBeUndefined();
  });

  test.each([
    ['a\n../b', 'line 2 of LIST: "../b" has a ".."'],
    ['a/../../b', 'line 1 of LIST'],
    ['\n/etc/passwd', 'line 2 of LIST: "/etc/passwd" is absolute'],
    ['n'.repeat(256), 'line 1 of LIST'],
    ['a/.cairn/b', 'line 1 of LIST'],
  ])('a listed path that cannot be in the tree is named with its line: %j', (text, message) => {
    expect(() => parseListedPaths(Buffer.from(text), 'LIST', false)).toThrow(message);
  });

  test('a list of paths with NUL between them takes newlines, and keeps names apart that are not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('a\nb\0'), Buffer.from([0x66, 0xff, 0]), Buffer.from('c')]);
    expect(parseListedPaths(bytes, 'LIST', true)).toEqual({ paths: ['a\nb', 'c'], notUtf8: ['f\xff'] });
  });
});

test('a directory that a selection closes stays, with the one entry that it keeps', () => {
  const of = selector();
  of.closeDirectory('cache', 'cache', 'CACHEDIR.TAG');
  of.closeDirectory('mnt', 'other-file-system');
  expect(of.unselected(at('cache/'))).toBeUndefined();
  expect(of.unselected(at('cache/CACHEDIR.TAG'))).toBeUndefined();
  expect(of.unselected(at('cache/x'))).toEqual({ why: 'cache' });
  expect(of.unselected(at('cache/x/CACHEDIR.TAG'))).toEqual({ why: 'cache' });
  expect(of.unselected(at('mnt/x'))).toEqual({ why: 'other-file-system' });
});

test('two selections have one id if they ask for the same, wherever their rules come from', () => {
  const id = (wish: Partial<Selection>): string => selectionId({ ...SELECT_ALL, ...wish });
  expect(id({ rules: rulesIn('*.o', 'a file') })).toBe(id({ rules: rulesIn('*.o\n# comment', '--exclude') }));
  expect(id({ listed: listed('a', 'b') })).toBe(id({ listed: listed('b', 'a') }));
  const others: Partial<Selection>[] = [
    {},
    { rules: rulesIn('*.o\n!a.o', 'f') },
    { rules: rulesIn('!a.o\n*.o', 'f') },
    { listed: listed() },
    { listed: listed('a') },
    { minSizeBytes: 1 },
    { maxSizeBytes: 1 },
    { minAgeMs: 1 },
    { maxAgeMs: 1 },
    { readsIgnoreFiles: false },
    { excludesCaches: true },
    { staysOnFileSystem: true },
  ];
  expect(new Set(others.map(id)).size).toBe(others.length);
  expect(selectsAll(SELECT_ALL)).toBe(true);
  expect(selectsAll({ ...SELECT_ALL, listed: listed() })).toBe(false);
});
