import { expect, test } from 'vitest';
import { failureOf } from '../../../src/cli/process/failure.ts';

test('a process that may open no more files gets that message, and not that cairn has a bug', () => {
  const error = Object.assign(new Error('too many open files'), { code: 'EMFILE' });
  const failure = failureOf(error, 'push');
  expect(failure).toMatchObject({ code: 'server-busy', exitCode: 5 });
  expect(failure.lines.join(' ')).toContain('ulimit -n');
});

test('an unexpected error is a bug', () => {
  expect(failureOf(new TypeError('x is not a function'), 'push')).toMatchObject({
    code: 'internal',
    exitCode: 1,
  });
});
