import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import {
  checkRelativePath,
  comparePaths,
  joinPath,
  printable,
  targetPathOf,
  urlPathOf,
} from '../../src/base/safe-path.ts';
import { cpuNowMs } from '../support/cpu-time.ts';

function codeOf(doing: () => unknown): string {
  try {
    doing();
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

const component = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
    fc.string({ minLength: 1, maxLength: 5 }),
  )
  .filter((name) => !/[/\0]/.test(name) && !['.', '..', '.cairn'].includes(name));
const safePath = fc.array(component, { maxLength: 5 }).map((names) => names.join('/'));

describe('relative paths', () => {
  it.each([
    '',
    'a',
    'a/b',
    '...',
    '.a',
    'a.',
    '..a/b..',
    'a\\b',
    '\\..\\x',
    'ü/日本/😀',
    '.cairn2',
    'x.cairn',
    ' ',
    '~',
  ])('the relative path %j is accepted', (path) => expect(checkRelativePath(path)).toBe(path));

  it.each([
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    './a',
    '../a',
    'a/..',
    'a/../b',
    'a/.',
    'a/./b',
    'a\0b',
    '\0',
    'a\ud800',
    '\udc00/b',
  ])('the relative path %j is refused as unsafe', (path) =>
    expect(codeOf(() => checkRelativePath(path))).toBe('path-unsafe'),
  );

  it.each(['.cairn', 'a/.cairn', '.cairn/v1', 'a/.cairn/b'])(
    'the relative path %j is refused as reserved',
    (path) => expect(codeOf(() => checkRelativePath(path))).toBe('path-reserved'),
  );

  it('the length of a relative path is measured in UTF-8 bytes', () => {
    expect(codeOf(() => checkRelativePath('a'.repeat(255)))).toBe('accepted');
    expect(codeOf(() => checkRelativePath('a'.repeat(256)))).toBe('path-too-long');
    expect(codeOf(() => checkRelativePath('日'.repeat(85)))).toBe('accepted');
    expect(codeOf(() => checkRelativePath('日'.repeat(86)))).toBe('path-too-long');
    expect(codeOf(() => checkRelativePath('a/'.repeat(2047) + 'ab'))).toBe('accepted');
    expect(codeOf(() => checkRelativePath('a/'.repeat(2047) + 'abc'))).toBe('path-too-long');
    expect(codeOf(() => checkRelativePath('日/'.repeat(1100) + 'b'))).toBe('path-too-long');
  });

  it('every path of safe components is accepted, and none with an unsafe one in it', () => {
    fc.assert(fc.property(safePath, (path) => checkRelativePath(path) === path));
    const bad = fc.constantFrom('', '.', '..', 'a\0');
    fc.assert(
      fc.property(safePath, bad, safePath, (before, middle, after) => {
        expect(codeOf(() => checkRelativePath(`${before}/${middle}/${after}`))).toBe('path-unsafe');
      }),
    );
  });

  it('200,000 relative paths are checked in less than a second of a processor', () => {
    const start = cpuNowMs();
    for (let index = 0; index < 200_000; index += 1)
      checkRelativePath(`some/directory/of/the/tree/file-${index}.txt`);
    expect(cpuNowMs() - start).toBeLessThan(1000);
  });
});

describe('paths of URLs', () => {
  it.each([
    ['/', ''],
    ['/a', 'a'],
    ['/a/', 'a'],
    ['/a/b%20c', 'a/b c'],
    ['/%E6%97%A5', '日'],
    ['/a%5Cb', 'a\\b'],
    ['/100%25', '100%'],
    ['/a+b', 'a+b'],
    ['/%3F%23', '?#'],
  ])('the URL path %j names the path %j', (url, path) => expect(targetPathOf(url)).toBe(path));

  it.each([
    '',
    'a',
    '*',
    'http://h/a',
    '//',
    '//a',
    '/a//',
    '/a//b',
    '/.',
    '/..',
    '/a/../b',
    '/%2e',
    '/%2E%2e',
    '/.%2e/a',
    '/a%2Fb',
    '/a%2f',
    '/%00',
    '/%',
    '/%2',
    '/%zz',
    '/%ff',
    '/%c0%af',
    '/%ed%a0%80',
    '/ü',
    '/a?b',
    '/a#b',
    '/a b',
    '/a\n',
    '/%2e%2e%2f',
  ])('the URL path %j is refused', (url) => expect(codeOf(() => targetPathOf(url))).toBe('path-unsafe'));

  it('the reserved name is found in a URL path in every disguise', () => {
    expect(codeOf(() => targetPathOf('/.cairn/v1'))).toBe('path-reserved');
    expect(codeOf(() => targetPathOf('/%2ecair%6e'))).toBe('path-reserved');
  });

  it('a URL path decodes to the path it was made of, and never to an unsafe one', () => {
    fc.assert(fc.property(safePath, (path) => targetPathOf(urlPathOf(path)) === path));
    const piece = fc.constantFrom(
      '/',
      '%2f',
      '%2e',
      '.',
      'a',
      '%',
      '0',
      '%00',
      '%e2%80%ae',
      '%ff',
      '..',
      '%5c',
      '?',
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const url = `/${pieces.join('')}`;
        if (codeOf(() => targetPathOf(url)) === 'accepted') checkRelativePath(targetPathOf(url));
      }),
    );
  });
});

describe('order of paths', () => {
  const loose = fc.string({
    unit: fc.constantFrom('a', '/', '!', '.', '0', '\ue000', '\uffff', '😀', 'é'),
    maxLength: 6,
  });
  // '/' as the lowest byte: NUL takes its place, which no path contains.
  const key = (path: string): Buffer => Buffer.from(path.replaceAll('/', '\0'));

  it('the order of paths is that of their UTF-8 bytes, with "/" first', () => {
    fc.assert(
      fc.property(fc.oneof(loose, safePath), fc.oneof(loose, safePath), (a, b) => {
        expect(Math.sign(comparePaths(a, b))).toBe(Buffer.compare(key(a), key(b)));
      }),
      { numRuns: 2000 },
    );
  });

  it('the order of paths puts all that is under a directory right behind it', () => {
    const paths = ['a', 'a!', 'a-b', 'a.txt', 'a/z', 'a/b/c', 'a/b', 'a0', '\uffee', '😀'];
    expect(paths.toSorted(comparePaths)).toEqual([
      'a',
      'a/b',
      'a/b/c',
      'a/z',
      'a!',
      'a-b',
      'a.txt',
      'a0',
      '\uffee',
      '😀',
    ]);
  });
});

it('joining a path with "" gives the other one', () => {
  expect([joinPath('', ''), joinPath('a', ''), joinPath('', 'b'), joinPath('a/b', 'c')]).toEqual([
    '',
    'a',
    'b',
    'a/b/c',
  ]);
});

it('a printable text has no terminal controls, and ordinary text stays as it is', () => {
  expect(printable('\u001b[31m\r\n\u009b\u007f')).toBe('\\x1b[31m\\x0d\\x0a\\x9b\\x7f');
  expect(printable('a\u202etxt.exe\u2066\u2028\ud800')).toBe('a\\u{202e}txt.exe\\u{2066}\\u{2028}\\u{d800}');
  expect(printable('Grüße/日本 😀\\ é')).toBe('Grüße/日本 😀\\ é');
});
