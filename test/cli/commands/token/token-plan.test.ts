import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../../src/base/errors.ts';
import { planToken, stateDirectoryOf } from '../../../../src/cli/commands/token/token-plan.ts';

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

describe('a token', () => {
  it('may read, write and list everything for ever, and belongs to its name, unless told otherwise', () => {
    expect(planToken('backup', {})).toEqual({
      name: 'backup',
      owner: 'backup',
      scopes: ['read', 'write', 'list'],
      path: '',
      expiresInMs: undefined,
      quota: undefined,
      tokenOut: undefined,
      json: false,
    });
  });

  it('is what it was told to be', () => {
    const words = {
      owner: 'alice@example.org',
      scope: ['list,read', 'admin', 'read'],
      path: '/in box/ünïcode/',
      expires: '30d',
      quotaBytes: '10G',
      quotaSessions: '5',
    };
    expect(planToken('a.b-c_D', words)).toMatchObject({
      owner: 'alice@example.org',
      scopes: ['read', 'list', 'admin'],
      path: 'in box/ünïcode',
      expiresInMs: 30 * 86_400_000,
      quota: { bytes: 10 * 1024 ** 3, sessions: 5 },
    });
  });

  it('may have one quota and not the other', () => {
    expect(planToken('x', { quotaBytes: '2T' }).quota).toEqual({ bytes: 2 * 1024 ** 4 });
    expect(planToken('x', { path: '/' }).path).toBe('');
  });

  it.each(['', '.hidden/x', 'a b', 'x'.repeat(65), 'ü', 'a\n', '../x', '-\0'])('is not called %j', (name) => {
    expect(codeOf(() => planToken(name, {}))).toBe('usage');
  });

  it.each([
    [{ owner: '' }, 'usage'],
    [{ owner: 'two words' }, 'usage'],
    [{ scope: [''] }, 'usage'],
    [{ scope: ['read,'] }, 'usage'],
    [{ scope: ['everything'] }, 'usage'],
    [{ path: 'backups' }, 'usage'],
    [{ path: '/../x' }, 'path-unsafe'],
    [{ path: '//x' }, 'path-unsafe'],
    [{ path: '/a/.cairn' }, 'path-reserved'],
    [{ expires: '0' }, 'usage'],
    [{ expires: '20000d' }, 'usage'],
    [{ quotaBytes: '0' }, 'usage'],
    [{ quotaBytes: '-1' }, 'usage'],
    [{ quotaBytes: '9999999T' }, 'usage'],
    [{ quotaSessions: '0' }, 'usage'],
    [{ quotaSessions: '1.5' }, 'usage'],
    [{ tokenOut: '' }, 'usage'],
  ])('is not made from %j', (words, code) => {
    expect(codeOf(() => planToken('x', words))).toBe(code);
  });
});

describe('the state whose tokens are meant', () => {
  it('is found by the rule of the server', () => {
    expect(stateDirectoryOf({ root: '/srv/files' })).toBe('/srv/files/.cairn');
    expect(stateDirectoryOf({ root: '/srv/files', state: '/var/lib/cairn' })).toBe('/var/lib/cairn');
    expect(stateDirectoryOf({ state: '/var/lib/cairn' })).toBe('/var/lib/cairn');
  });

  it('has to be named, and is never where it would be served', () => {
    expect(codeOf(() => stateDirectoryOf({}))).toBe('usage');
    expect(codeOf(() => stateDirectoryOf({ root: '/srv', state: '/srv/state' }))).toBe('config-invalid');
  });
});
