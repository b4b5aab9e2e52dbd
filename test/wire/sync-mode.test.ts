import { expect, it } from 'vitest';
import { stricterSync } from '../../src/session/sync-mode.ts';

it.each([
  ['always', 'close', 'always'],
  ['always', 'group', 'always'],
  ['close', 'always', 'always'],
  ['close', 'group', 'group'],
  ['group', 'close', 'group'],
  ['close', 'close', 'close'],
  [undefined, 'close', 'close'],
  [undefined, 'always', 'always'],
] as const)(
  "the stricter of a wished sync mode %s and the server's own %s is %s",
  (wished, own, stricter) => {
    expect(stricterSync(wished, own)).toBe(stricter);
  },
);
