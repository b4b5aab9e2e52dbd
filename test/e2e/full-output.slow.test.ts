import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cairn } from '../support/cli.ts';
import { canMount, mountTmpfs } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const hasFullDevice = existsSync('/dev/full');

/** Puts the standard output, or the standard error, of a command to where nothing can be written. */
const into = (where: string): string[] => ['sh', '-c', `exec "$@" ${where}`, 'sh'];

test.skipIf(!hasFullDevice)(
  'a command whose result cannot be written fails and says so (needs /dev/full)',
  async () => {
    const server = await startDiskServer();
    mkdirSync(path.join(server.root, 'd'));
    writeFileSync(path.join(server.root, 'd/file'), 'content');
    const { url, root } = server;
    const environment = { stateHome: temporaryDirectory(), token: server.token, before: into('>/dev/full') };
    const here = path.join(root, 'd');
    for (const words of [
      ['ls', `${url}/d`],
      ['ls', '--json', `${url}/d`],
      ['verify', here, `${url}/d`],
      ['verify', '--json', here, `${url}/d`],
      ['transfers'],
      ['transfers', '--json'],
      ['sessions', 'list', url],
      ['token', 'list', '--root', root],
      ['grant', '--list', url],
      ['pull', `${url}/d/file`, '-'],
      ['push', '--json', here, `${url}/e`],
      ['--version'],
      ['--help'],
      ['push', '--help'],
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as a person does
      const result = await cairn(words, environment);
      expect([words, result.exitCode]).toEqual([words, 9]);
      expect(result.stderr).toContain('standard output');
    }
  },
);

test.skipIf(!hasFullDevice)(
  'a token or grant whose secret could not be printed is not valid (needs /dev/full)',
  async () => {
    const { url, root, token } = await startDiskServer();
    const environment = { stateHome: temporaryDirectory(), token };
    const full = { ...environment, before: into('>/dev/full') };
    expect(await cairn(['token', 'create', 'lost', '--root', root], full)).toMatchObject({ exitCode: 9 });
    const tokens = await cairn(['token', 'list', '--json', '--root', root], environment);
    expect(tokens.lines.map(({ name }) => name)).not.toContain('lost');
    expect(await cairn(['grant', '--pull', `${url}/`], full)).toMatchObject({ exitCode: 9 });
    const grants = await cairn(['grant', '--list', '--json', url], environment);
    expect(grants.lines).toMatchObject([{ type: 'grant', state: 'revoked' }, { type: 'summary' }]);
  },
);

test('a command that prints its result fails with a closed standard output, and a transfer does not', async () => {
  const server = await startDiskServer();
  mkdirSync(path.join(server.root, 'd'));
  writeFileSync(path.join(server.root, 'd/file'), '');
  const { url, root } = server;
  const here = path.join(root, 'd');
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const exitOf = async (where: string, words: string[]): Promise<unknown> =>
    (await cairn(words, { ...environment, before: into(where) })).exitCode;
  for (const words of [
    ['ls', `${url}/d`],
    ['ls', '--json', `${url}/d`],
    ['verify', here, `${url}/d`],
    ['transfers'],
    ['token', 'list', '--root', root],
    ['pull', `${url}/d/file`, '-'],
    ['--help'],
  ]) {
    expect([words, await exitOf('>&-', words)]).toEqual([words, 9]);
    expect([words, await exitOf('>/dev/null', words)]).toEqual([words, 0]);
  }
  expect(await exitOf('>&-', ['push', here, `${url}/e`])).toBe(0);
});

test.skipIf(!hasFullDevice)(
  'a standard error that cannot be written changes no result (needs /dev/full)',
  async () => {
    const server = await startDiskServer();
    const environment = { stateHome: temporaryDirectory(), token: server.token, before: into('2>/dev/full') };
    const source = temporaryDirectory();
    writeFileSync(path.join(source, 'file'), 'content');
    const pushed = await cairn(['push', '--json', source, `${server.url}/tree`], environment);
    expect(pushed).toMatchObject({ exitCode: 0, last: { type: 'summary' } });
    const verified = await cairn(['verify', source, `${server.url}/tree`], environment);
    expect(verified).toMatchObject({ exitCode: 0 });
  },
);

test.skipIf(!canMount)('a pull into a file on a full disk fails (needs root)', async () => {
  const server = await startDiskServer();
  writeRandomFile(path.join(server.root, 'file'), 3 * MIB);
  const disk = temporaryDirectory();
  mountTmpfs(disk, 2 * MIB + 300_000);
  const out = path.join(disk, 'out');
  const environment = { stateHome: temporaryDirectory(), token: server.token, before: into(`>${out}`) };
  const result = await cairn(['pull', `${server.url}/file`, '-'], environment);
  expect(result.exitCode).toBe(9);
  expect(readFileSync(out).byteLength).toBeLessThan(3 * MIB);
});
