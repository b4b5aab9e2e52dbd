import { expect, test } from 'vitest';
import { freshNames } from '../../src/storage/fresh-names.ts';

const second = (name: string): string => {
  const names = freshNames(name);
  expect(names.next().value).toBe(name);
  return names.next().value;
};

test.each([
  ['report.pdf', 'report (2).pdf'],
  ['backup.tar.gz', 'backup (2).tar.gz'],
  ['README', 'README (2)'],
  ['.profile', '.profile (2)'],
  ['a.b c', 'a.b c (2)'],
  ['1.2.3', '1.2 (2).3'],
])('a file named %s, where that name is taken, is named %s', (name, fresh) => {
  expect(second(name)).toBe(fresh);
});

test('a fresh name of a name that is as long as possible is shortened by whole characters', () => {
  const fresh = second(`${'ü'.repeat(125)}.txt`);
  expect(Buffer.byteLength(fresh)).toBeLessThanOrEqual(255);
  expect(fresh).toMatch(/^ü+ \(2\)\.txt$/);
});

test('500 fresh names of one name are all different', () => {
  const names = freshNames('x');
  const seen = new Set<string>();
  for (let count = 0; count < 500; count += 1) seen.add(names.next().value);
  expect(seen.size).toBe(500);
});
