import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../../src/cli/program.ts';
import { cairn } from '../../support/cli.ts';
import { temporaryDirectory } from '../../support/trees.ts';

const URL_WORD = 'http://127.0.0.1:9/x';

/** Runs a command line in this process; nothing is answered where it was let through. */
async function refusalOf(words: readonly string[]): Promise<unknown> {
  try {
    await createProgram(() => undefined).parseAsync(['node', 'cairn', ...words]);
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('empty words', () => {
  it.each([
    ['push', '', URL_WORD],
    ['push', 'file', '', URL_WORD],
    ['push', 'file', ''],
    ['push', '--from-command', URL_WORD, '--', ''],
    ['push', '--from-command', '', '--', 'true'],
    ['push', '--token-file', '', 'file', URL_WORD],
    ['push', '--digest', '', 'file', URL_WORD],
    ['pull', URL_WORD, ''],
    ['pull', '', 'there'],
    ['pull', '--tls-ca', '', URL_WORD, 'there'],
    ['ls', ''],
    ['verify', '', URL_WORD],
    ['verify', 'here', ''],
    ['transfers', 'rm', ''],
    ['transfers', 'show', ''],
    ['sessions', 'abort', URL_WORD, ''],
    ['sessions', 'show', URL_WORD, ''],
    ['token', 'list', '--root', ''],
    ['token', 'create', 'name', '--root', '/nowhere', '--scope', 'read', '--scope', ''],
    ['token', 'revoke', '', '--root', '/nowhere'],
    ['grant', '--revoke', '', URL_WORD],
    ['grant', '--pull', '--out', '', URL_WORD],
    ['serve', '--root', ''],
    ['serve', '--root', '/nowhere', '--state', ''],
    ['doctor', ''],
    ['demo', ''],
  ])('an empty word is refused before anything is done: %s', async (...words) => {
    expect(await refusalOf(words)).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('empty'),
    });
  });

  it('an empty word in the command of --from-command is left to that command', async () => {
    const stateHome = temporaryDirectory();
    const words = ['push', '--retry-for', '1ms', '--from-command', URL_WORD, '--', 'echo', ''];
    const result = await cairn(words, { stateHome });
    expect(result.exitCode, result.stderr).toBe(5);
  });

  it('an empty word never means the current directory, and ends with exit 2', async () => {
    const cwd = temporaryDirectory();
    writeFileSync(path.join(cwd, 'private'), 'x');
    const stateHome = path.join(cwd, 'state');
    mkdirSync(stateHome);
    const pushed = await cairn(['push', '--json', '', URL_WORD], { stateHome, cwd });
    expect(pushed).toMatchObject({ exitCode: 2, last: { type: 'error', code: 'usage' } });
    const here = await cairn(['transfers'], { stateHome: '', cwd });
    expect(here).toMatchObject({ exitCode: 2 });
    expect(readdirSync(cwd).toSorted()).toEqual(['private', 'state']);
  });
});
