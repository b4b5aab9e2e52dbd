import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../../src/base/errors.ts';
import type { StateValues, TokenValues } from '../../../../src/cli/commands/token/token-command.ts';
import { tokenSettingsOf, type TokenSettings } from '../../../../src/cli/commands/token/run-token.ts';
import { stateDirectoryOf } from '../../../../src/cli/commands/token/token-place.ts';
import { given } from '../../support/given.ts';

type Options = Parameters<typeof given>[1];

const settings = async (name: string, options: Options = {}): Promise<TokenSettings> =>
  tokenSettingsOf(name, await given<TokenValues>('token create', options));
const state = async (options: Options): Promise<string> =>
  stateDirectoryOf(await given<StateValues>('token list', options));

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

describe('cairn token create', () => {
  it('cairn token create makes a token that may read, write and list everything, with its name as owner', async () => {
    expect(await settings('backup')).toEqual({
      name: 'backup',
      owner: 'backup',
      scopes: ['read', 'write', 'list'],
      path: '',
      expiresInMs: undefined,
      quota: undefined,
    });
  });

  it('cairn token create makes a token with the settings that it is told', async () => {
    const words = {
      owner: 'alice@example.org',
      scope: ['list,read', 'admin', 'read'],
      path: '/in box/ünïcode/',
      expires: '30d',
      quotaBytes: '10G',
      quotaSessions: '5',
    };
    expect(await settings('a.b-c_D', words)).toMatchObject({
      owner: 'alice@example.org',
      scopes: ['read', 'list', 'admin'],
      path: 'in box/ünïcode',
      expiresInMs: 30 * 86_400_000,
      quota: { bytes: 10 * 1024 ** 3, sessions: 5 },
    });
  });

  it('cairn token create takes one quota without the other', async () => {
    expect((await settings('x', { quotaBytes: '2T' })).quota).toEqual({ bytes: 2 * 1024 ** 4 });
    expect((await settings('x', { path: '/' })).path).toBe('');
  });

  it.each(['', '.hidden/x', 'a b', 'x'.repeat(65), 'ü', 'a\n', '../x', '-\0'])(
    'cairn token create refuses the name %j',
    async (name) => {
      expect(await codeOf(settings(name))).toBe('usage');
    },
  );

  it.each([
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
  ])('cairn token create refuses the options %j', async (words, code) => {
    expect(await codeOf(settings('x', words))).toBe(code);
  });
});

describe('states with tokens', () => {
  it('cairn token list finds the state by the rule of the server', async () => {
    expect(await state({ root: '/srv/files' })).toBe('/srv/files/.cairn');
    expect(await state({ root: '/srv/files', state: '/var/lib/cairn' })).toBe('/var/lib/cairn');
    expect(await state({ state: '/var/lib/cairn' })).toBe('/var/lib/cairn');
  });

  it('cairn token list needs a state or a root, and refuses a state that would be served', async () => {
    expect(await codeOf(state({}))).toBe('usage');
    expect(await codeOf(state({ root: '/srv', state: '/srv/state' }))).toBe('config-invalid');
  });
});
