/** Which modes what was moved has in the end. */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cairn, type CliResult } from '../support/cli.ts';
import { obeyingPermissions } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const UMASK = ['sh', '-c', 'umask 077; exec "$@"', 'sh'];

const modeOf = (...names: string[]): string => (statSync(path.join(...names)).mode & 0o7777).toString(8);

/** A tree that everybody may write to, in a directory with the set-group-id bit. */
function openTree(): string {
  const tree = temporaryDirectory();
  mkdirSync(path.join(tree, 'd'));
  writeFileSync(path.join(tree, 'd/f'), 'x');
  writeFileSync(path.join(tree, 'group'), 'x');
  for (const [name, mode] of [
    ['d', 0o2777],
    ['d/f', 0o666],
    ['group', 0o664],
  ] as const)
    chmodSync(path.join(tree, name), mode);
  return tree;
}

test('a pull gives other users no right to write that the umask denies, unless the user asks for it', async () => {
  const server = await startDiskServer();
  const { token } = server;
  const tree = path.join(server.root, 'tree');
  mkdirSync(tree);
  mkdirSync(path.join(tree, 'd'));
  writeFileSync(path.join(tree, 'd/f'), 'x');
  writeFileSync(path.join(tree, 'group'), 'x');
  chmodSync(path.join(tree, 'd'), 0o2777);
  chmodSync(path.join(tree, 'd/f'), 0o666);
  chmodSync(path.join(tree, 'group'), 0o664);
  const stateHome = temporaryDirectory();
  const to = path.join(temporaryDirectory(), 'to');
  const pull = (...words: string[]): Promise<CliResult> =>
    cairn(['pull', '--json', ...words, `${server.url}/tree`, to], { stateHome, token, before: UMASK });
  expect((await pull()).exitCode).toBe(0);
  expect([modeOf(to, 'd'), modeOf(to, 'd/f'), modeOf(to, 'group')]).toEqual(['755', '644', '664']);
  expect((await pull()).last).toMatchObject({ exitCode: 0, bytesReceived: 0, bytesSkipped: 2 });
  expect((await pull('--preserve-modes')).last).toMatchObject({ exitCode: 0, bytesReceived: 0 });
  expect([modeOf(to, 'd'), modeOf(to, 'd/f')]).toEqual(['2777', '666']);
  expect((await pull('--chmod', 'D750,F640', '--chmod=u-w')).exitCode).toBe(0);
  expect([modeOf(to, 'd'), modeOf(to, 'd/f')]).toEqual(['550', '440']);
  expect((await pull('--chmod=Q')).exitCode).toBe(2);
});

test('a push gives the rights that the umask of the server allows, unless the user asks for more', async () => {
  const server = await startDiskServer({ before: UMASK });
  const { token } = server;
  const tree = openTree();
  const stateHome = temporaryDirectory();
  const push = (...words: string[]): Promise<CliResult> =>
    cairn(['push', '--json', ...words, tree, `${server.url}/t`], { stateHome, token });
  const at = path.join(server.root, 't');
  expect((await push()).exitCode).toBe(0);
  expect([modeOf(at, 'd'), modeOf(at, 'd/f'), modeOf(at, 'group')]).toEqual(['755', '644', '664']);
  expect((await push()).last).toMatchObject({ exitCode: 0, bytesSent: 0 });
  expect((await push('--preserve-modes')).last).toMatchObject({ exitCode: 0, bytesSent: 0 });
  expect([modeOf(at, 'd'), modeOf(at, 'd/f')]).toEqual(['2777', '666']);
  expect((await push('--chmod=Dgo=rx,Fgo=r')).exitCode).toBe(0);
  expect([modeOf(at, 'd/f'), modeOf(at, 'group')]).toEqual(['644', '644']);
});

test('the served root, and a destination that is there, keep their modes', async () => {
  const server = await startDiskServer();
  const { token, root, url } = server;
  chmodSync(root, 0o755);
  const tree = temporaryDirectory();
  writeFileSync(path.join(tree, 'f'), 'x');
  chmodSync(tree, 0o500);
  const stateHome = temporaryDirectory();
  for (const words of [[], ['--preserve-modes']]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await cairn(['push', ...words, tree, `${url}/`], { stateHome, token })).exitCode).toBe(0);
    expect(modeOf(root)).toBe('755');
  }
  mkdirSync(path.join(root, 'there'), { mode: 0o711 });
  for (const target of ['there', 'new'])
    // oxlint-disable-next-line no-await-in-loop
    expect((await cairn(['push', tree, `${url}/${target}`], { stateHome, token })).exitCode).toBe(0);
  expect([modeOf(root, 'there'), modeOf(root, 'new')]).toEqual(['711', '500']);
  chmodSync(path.join(root, 'there'), 0o555);
  chmodSync(path.join(tree, 'f'), 0o600);
  expect((await cairn(['push', tree, `${url}/there`], { stateHome, token })).exitCode).toBe(0);
  expect([modeOf(root, 'there'), modeOf(root, 'there/f')]).toEqual(['555', '600']);
  const to = temporaryDirectory();
  chmodSync(to, 0o710);
  for (const destination of [to, path.join(to, 'new')])
    // oxlint-disable-next-line no-await-in-loop
    expect((await cairn(['pull', `${url}/new`, destination], { stateHome, token })).exitCode).toBe(0);
  expect([modeOf(to), modeOf(to, 'new')]).toEqual(['710', '500']);
});

test.skipIf(obeyingPermissions === undefined)(
  'a server keeps its access to pushed files, whatever their mode (root needs setpriv for it)',
  async () => {
    const server = await startDiskServer({ before: obeyingPermissions! });
    const { token, root, url } = server;
    const tree = temporaryDirectory();
    for (const name of ['closed', 'none', 'frozen']) {
      mkdirSync(path.join(tree, name));
      writeFileSync(path.join(tree, name, 'f'), 'first');
    }
    chmodSync(path.join(tree, 'closed/f'), 0o000);
    for (const [name, mode] of [
      ['closed', 0o200],
      ['none', 0o000],
      ['frozen', 0o555],
    ] as const)
      chmodSync(path.join(tree, name), mode);
    const stateHome = temporaryDirectory();
    const push = (source: string, target: string): Promise<CliResult> =>
      cairn(['push', '--json', source, `${url}${target}`], { stateHome, token });
    expect((await push(tree, '/t')).exitCode).toBe(0);
    expect([modeOf(root, 't/closed'), modeOf(root, 't/none'), modeOf(root, 't/frozen')]).toEqual([
      '700',
      '500',
      '555',
    ]);
    expect((await push(tree, '/t')).last).toMatchObject({ exitCode: 0, bytesSent: 0 });
    chmodSync(path.join(tree, 'none'), 0o700);
    writeFileSync(path.join(tree, 'none/f'), 'second');
    chmodSync(path.join(tree, 'none'), 0o000);
    expect((await push(tree, '/t')).exitCode).toBe(0);
    expect(readFileSync(path.join(root, 't/none/f'), 'utf8')).toBe('second');
    expect((await push(path.join(tree, 'none/f'), '/t/frozen/deep/new')).exitCode).toBe(0);
    expect([modeOf(root, 't/frozen'), readFileSync(path.join(root, 't/frozen/deep/new'), 'utf8')]).toEqual([
      '555',
      'second',
    ]);
    const got = await cairn(['pull', '--json', `${url}/t`, path.join(temporaryDirectory(), 'to')], {
      stateHome,
      token,
    });
    expect(got.exitCode).toBe(0);
  },
);
