/** `--delete` of push and pull, as real processes against real servers. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { cairn, type CliEnvironment, type CliResult } from '../support/cli.ts';
import { obeyingPermissions } from '../support/requirements.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';

/** A place that a run reads from, one that it writes to, and the run. */
interface Scene {
  readonly server: DiskServer;
  readonly from: string;
  readonly to: string;
  readonly environment: CliEnvironment;
  /** Runs the command with some options. */
  readonly run: (...options: string[]) => Promise<CliResult>;
}

const DIRECTIONS = ['push', 'pull'] as const;
type Direction = (typeof DIRECTIONS)[number];

function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** `before`: words before the process that reads the source. */
async function openScene(direction: Direction, before: readonly string[] = []): Promise<Scene> {
  const server = await startDiskServer(direction === 'pull' ? { before } : {});
  const [local, remote] = [path.join(temporaryDirectory(), 'local'), path.join(server.root, 'tree')];
  for (const directory of [local, remote]) mkdirSync(directory);
  const reading = direction === 'push' ? { before } : {};
  const environment = { stateHome: temporaryDirectory(), token: server.token, ...reading };
  const url = `${server.url}/tree`;
  const places = direction === 'push' ? [local, url] : [url, local];
  const [from, to] = direction === 'push' ? [local, remote] : [remote, local];
  const run = (...options: string[]): Promise<CliResult> =>
    cairn([direction, '--json', ...options, ...places], environment);
  return { server, from, to, environment, run };
}

/** What is in a directory, without cairn's own folder. */
function treeOf(root: string): Record<string, string> {
  const all = Object.entries(pictureOf(root));
  return Object.fromEntries(all.filter(([name]) => name !== '.cairn' && !name.startsWith('.cairn/')));
}

const namesIn = (root: string): string[] => readdirSync(root).filter((name) => name !== '.cairn');

describe.each(DIRECTIONS)('%s --delete', (direction) => {
  test(`a ${direction} with --delete leaves the destination as the source is, with times of directories and changed types`, async () => {
    const { from, to, run } = await openScene(direction);
    write(from, {
      'same': 'same',
      'd/changed': 'new text',
      'was-dir': 'a file',
      'was-file/in': 'new',
      'l': 'l',
    });
    execFileSync('cp', ['-a', `${from}/.`, to]);
    write(to, { 'gone': 'old', 'd/gone': 'old', 'd/deep/er/gone': 'old', 'd/changed': 'old' });
    for (const name of ['was-dir', 'was-file', 'l']) rmSync(path.join(to, name), { recursive: true });
    write(to, { 'was-dir/a/b': 'old', 'was-file': 'old', 'l/x': 'old' });
    symlinkSync('/nowhere', path.join(to, 'link'));
    const result = await run('--delete', '--max-delete', '100%');
    expect(result).toMatchObject({
      exitCode: 0,
      last: { entriesDeleted: 9, entriesNotDeleted: 0, code: 'ok' },
    });
    expect(treeOf(to)).toEqual(treeOf(from));
    const again = await run('--delete');
    expect(again).toMatchObject({ exitCode: 0, last: { entriesDeleted: 0, changed: 0, bytesDeleted: 0 } });
  });

  test(`a ${direction} deletes where nothing is to be carried with --delete, and nothing without it`, async () => {
    const { from, to, run } = await openScene(direction);
    write(from, { 'a': 'a', 'b': 'b', 'd/c': 'c' });
    expect(await run()).toMatchObject({ exitCode: 0 });
    write(to, { 'd/more': 'more' });
    expect((await run()).last).not.toHaveProperty('entriesDeleted');
    expect(existsSync(path.join(to, 'd/more'))).toBe(true);
    expect(await run('--delete', '--verbose')).toMatchObject({
      exitCode: 0,
      last: { entriesDeleted: 1, bytesDeleted: 4 },
      lines: expect.arrayContaining([
        { type: 'deleted', path: 'd/more', kind: 'file', sizeBytes: 4 },
      ]) as unknown,
    });
    expect(treeOf(to)).toEqual(treeOf(from));
  });

  test(`a ${direction} with --delete says in a dry run what would be deleted, and changes nothing`, async () => {
    const { from, to, run } = await openScene(direction);
    write(from, { a: 'a', b: 'b', c: 'c' });
    write(to, { 'x/y': 'old', 'a': 'other' });
    const before = treeOf(to);
    const { exitCode, lines, last } = await run('--delete', '--dry-run', '--max-delete', '100%');
    const gone = lines.filter(({ type, change }) => type === 'would' && change === 'delete');
    expect([exitCode, last['entriesDeleted'], gone.map((line) => line['path'])]).toEqual([
      0,
      2,
      ['x', 'x/y'],
    ]);
    expect(treeOf(to)).toEqual(before);
  });

  test.each([
    [[], 0],
    [['--max-delete', '3'], 0],
    [['--max-delete', '4'], 4],
    [['--max-delete', '66%'], 0],
    [['--max-delete', '67%'], 4],
    [['--max-delete', '100%'], 4],
  ])(
    `a ${direction} of 6 entries with --delete and %j deletes %i, and brings the rest in any case`,
    async (limit, deleted) => {
      const { from, to, run } = await openScene(direction);
      write(from, { 'a': 'a', 'd/b': 'b', 'new': 'new' });
      write(to, { a: 'a', 1: '1', 2: '2', 3: '3', 4: '4' });
      mkdirSync(path.join(to, 'd'));
      const { exitCode, last, lines } = await run('--delete', ...limit);
      expect(readFileSync(path.join(to, 'new'), 'utf8')).toBe('new');
      expect(last).toMatchObject({
        entriesDeleted: deleted,
        exitCode,
        code: deleted > 0 ? 'ok' : 'too-many-deletions',
      });
      expect([exitCode, existsSync(path.join(to, '1'))]).toEqual(deleted > 0 ? [0, false] : [3, true]);
      const warned = lines.some(({ type, code }) => type === 'warning' && code === 'too-many-deletions');
      expect(warned).toBe(deleted === 0);
    },
  );

  test(`a ${direction} with --delete of an empty source changes nothing below --max-delete 100%`, async () => {
    const { to, run } = await openScene(direction);
    write(to, { 'precious': 'x', 'd/too': 'y' });
    const before = treeOf(to);
    expect(await run('--delete', '--max-delete', '1000')).toMatchObject({
      exitCode: 3,
      last: { type: 'error', code: 'too-many-deletions' },
    });
    expect(treeOf(to)).toEqual(before);
    expect(await run('--delete', '--max-delete', '100%')).toMatchObject({
      exitCode: 0,
      last: { entriesDeleted: 3 },
    });
    expect(namesIn(to)).toEqual([]);
  });

  test(`a ${direction} with --delete fails where its source is missing or no directory, and deletes nothing`, async () => {
    const { server, from, to, environment, run } = await openScene(direction);
    write(to, { precious: 'x' });
    rmSync(from, { recursive: true });
    expect((await run('--delete')).exitCode).toBe(4);
    expect(existsSync(path.join(to, 'precious'))).toBe(true);
    write(path.dirname(from), { [path.basename(from)]: 'a file' });
    expect((await run('--delete')).exitCode).toBe(2);
    expect(existsSync(path.join(to, 'precious'))).toBe(true);
    const stream = direction === 'push' ? ['push', '-'] : ['pull'];
    const rest = direction === 'push' ? [`${server.url}/f`] : [`${server.url}/f`, '-'];
    expect((await cairn([...stream, '--delete', ...rest], environment)).exitCode).toBe(2);
  });

  test.skipIf(obeyingPermissions === undefined)(
    `a ${direction} with --delete deletes only with --delete-anyway where a part of the source could not be read`,
    async () => {
      const { from, to, run } = await openScene(direction, obeyingPermissions);
      write(from, { 'a': 'a', 'b': 'b', 'c': 'c', 'closed/in': 'in' });
      write(to, { 'closed/in': 'in', 'closed/other': 'x', 'gone': 'old' });
      chmodSync(path.join(from, 'closed'), 0o000);
      const refused = await run('--delete');
      chmodSync(path.join(to, 'closed'), 0o755);
      expect(refused).toMatchObject({ exitCode: 3, last: { entriesDeleted: 0, code: 'partial' } });
      expect(namesIn(to)).toEqual(['a', 'b', 'c', 'closed', 'gone']);
      const anyway = await run('--delete', '--delete-anyway');
      chmodSync(path.join(from, 'closed'), 0o755);
      chmodSync(path.join(to, 'closed'), 0o755);
      expect(anyway).toMatchObject({ exitCode: 3, last: { entriesDeleted: 1 } });
      expect(namesIn(to)).toEqual(['a', 'b', 'c', 'closed']);
      expect(namesIn(path.join(to, 'closed'))).toEqual(['in', 'other']);
    },
  );

  test(`a ${direction} with --delete names what it cannot delete, and deletes the rest`, async () => {
    const { from, to, run } = await openScene(direction);
    write(from, { a: 'a', b: 'b', c: 'c', d: 'd' });
    write(to, { 'gone': 'old', 'x/gone': 'old' });
    execFileSync('mkfifo', [path.join(to, 'x/pipe')]);
    const { exitCode, lines, last } = await run('--delete', '--max-delete', '100%');
    expect([exitCode, last['entriesDeleted'], last['entriesNotDeleted']]).toEqual([3, 2, 1]);
    expect(lines).toContainEqual(expect.objectContaining({ type: 'warning', path: 'x/pipe' }));
    expect(lstatSync(path.join(to, 'x/pipe')).isFIFO()).toBe(true);
    expect(namesIn(to)).toEqual(['a', 'b', 'c', 'd', 'x']);
  });
});

test.each(DIRECTIONS)(
  'a %s with --backup-dir keeps what is replaced and deleted, and overwrites nothing',
  async (direction) => {
    const { server, from, to, run } = await openScene(direction);
    write(from, { 'a': 'new text', 'd/b': 'b' });
    write(to, { 'a': 'old', 'd/gone': 'gone' });
    const kept =
      direction === 'push' ? path.join(server.root, 'kept') : path.join(temporaryDirectory(), 'kept');
    const backup = ['--backup-dir', direction === 'push' ? '/kept' : kept];
    expect(await run(...backup)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(path.join(kept, 'a'), 'utf8')).toBe('old');
    write(from, { a: 'newer text' });
    expect(await run('--delete', ...backup)).toMatchObject({ exitCode: 0, last: { entriesDeleted: 1 } });
    expect(treeOf(to)).toEqual(treeOf(from));
    expect([namesIn(kept), namesIn(path.join(kept, 'd'))]).toEqual([['a', 'a (2)', 'd'], ['gone']]);
    expect(readFileSync(path.join(kept, 'a (2)'), 'utf8')).toBe('new text');
    const inside = direction === 'push' ? '/tree/kept' : path.join(to, 'kept');
    const above = direction === 'push' ? '/' : path.dirname(to);
    for (const wrong of [inside, above])
      expect(await run('--delete', '--backup-dir', wrong)).toMatchObject({ exitCode: 2 });
    expect(treeOf(to)).toEqual(treeOf(from));
  },
);

test('a push refuses a directory for backups that is outside the path of the token', async () => {
  const { server, from, to, environment } = await openScene('push');
  write(from, { a: 'new' });
  write(to, { a: 'older' });
  const scope = ['--scope', 'write,list', '--path', '/tree'];
  const made = ['token', 'create', 'narrow', '--root', server.root, ...scope];
  const token = (await cairn(made, environment)).stdout.toString().trim();
  const words = ['push', '--json', '--backup-dir', '/elsewhere', from, `${server.url}/tree`];
  expect(await cairn(words, { ...environment, token })).toMatchObject({
    exitCode: 6,
    last: { code: 'forbidden' },
  });
  expect(readFileSync(path.join(to, 'a'), 'utf8')).toBe('older');
});

test('a push of several sources with --delete mirrors only what is in the directories among them', async () => {
  const { server, from, to, environment } = await openScene('push');
  write(from, { 'one/a': 'a', 'one/b': 'b', 'file': 'f' });
  write(to, { 'one/gone': 'old', 'one/a': 'a', 'one/b': 'b', 'two/stays': 'x', 'beside': 'x' });
  const sources = ['one', 'file'].map((name) => path.join(from, name));
  const words = ['push', '--json', '--delete', ...sources, `${server.url}/tree`];
  expect(await cairn(words, environment)).toMatchObject({ exitCode: 0, last: { entriesDeleted: 1 } });
  expect([namesIn(to), namesIn(path.join(to, 'one'))]).toEqual([
    ['beside', 'file', 'one', 'two'],
    ['a', 'b'],
  ]);
});

test('a push with --delete is refused to a token that only adds, and deletes nothing', async () => {
  const { server, from, to, environment } = await openScene('push');
  write(from, { a: 'a' });
  write(to, { precious: 'x' });
  const made = ['token', 'create', 'adds', '--root', server.root, '--scope', 'append,list'];
  const token = (await cairn(made, environment)).stdout.toString().trim();
  const words = ['push', '--json', '--delete', from, `${server.url}/tree`];
  expect(await cairn(words, { ...environment, token })).toMatchObject({
    exitCode: 6,
    last: { code: 'forbidden' },
  });
  expect(namesIn(to)).toEqual(['precious']);
});

test('a push with --delete sends nothing to a server that has never heard of deletions', async () => {
  const { createServer } = await import('node:http');
  const asked: string[] = [];
  const old = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    response.setHeader('Link', '<.cairn/v1/>; rel="urn:cairn:protocol"');
    const hello = { server: 'cairn', version: '0.0.1', protocol: { major: 1, minor: 0 }, treeIds: true };
    response.end(request.method === 'GET' ? JSON.stringify(hello) : undefined);
  });
  await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
  const address = old.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const from = temporaryDirectory();
  write(from, { a: 'a' });
  const environment = { stateHome: temporaryDirectory(), token: 'a-token-of-this-test-0000000000000000' };
  try {
    const result = await cairn(
      ['push', '--json', '--delete', from, `http://127.0.0.1:${port}/t`],
      environment,
    );
    expect(result).toMatchObject({ exitCode: 2, last: { code: 'version-unsupported' } });
    expect(asked.filter((line) => !/^(?:HEAD|GET) /.test(line))).toEqual([]);
  } finally {
    old.close();
    old.closeAllConnections();
  }
});

describe.each(DIRECTIONS)('%s --delete with a selection', (direction) => {
  test(`a ${direction} with --delete deletes nothing that is left out, nor the directories above it`, async () => {
    const { from, to, run } = await openScene(direction);
    write(from, { 'a': 'a', 'b': 'b', 'c': 'c', 'x.tmp': 'of the source' });
    write(to, {
      'gone': 'old',
      'y.tmp': 'stays',
      'd/deep/z.tmp': 'stays',
      'd/deep/gone': 'old',
      'cache/f': 'stays',
    });
    const rules = ['--exclude', '*.tmp', '--exclude', 'cache/'];
    const { exitCode, last } = await run('--delete', '--max-delete', '100%', ...rules);
    expect([exitCode, last['entriesDeleted']]).toEqual([0, 2]);
    expect(namesIn(to)).toEqual(['a', 'b', 'c', 'cache', 'd', 'y.tmp']);
    expect([namesIn(path.join(to, 'd/deep')), namesIn(path.join(to, 'cache'))]).toEqual([['z.tmp'], ['f']]);
  });

  test(`a ${direction} with --delete is refused with a list of paths`, async () => {
    const { from, to, run } = await openScene(direction);
    write(from, { a: 'a', b: 'b' });
    write(to, { precious: 'x' });
    const list = path.join(temporaryDirectory(), 'list');
    writeFileSync(list, 'a\n');
    expect((await run('--delete', '--files-from', list)).exitCode).toBe(2);
    expect(namesIn(to)).toEqual(['precious']);
  });

  test(`a ${direction} with --delete takes a directory for backups in the tree, where that is left out`, async () => {
    const { from, to, run } = await openScene(direction);
    write(from, { a: 'a', b: 'b' });
    write(to, { gone: 'old' });
    const inside = direction === 'push' ? '/tree/kept' : path.join(to, 'kept');
    const words = ['--delete', '--max-delete', '100%', '--backup-dir', inside, '--exclude', '/kept'];
    for (const deleted of [1, 0])
      expect(await run(...words)).toMatchObject({ exitCode: 0, last: { entriesDeleted: deleted } });
    expect([namesIn(to), namesIn(path.join(to, 'kept'))]).toEqual([['a', 'b', 'kept'], ['gone']]);
  });
});
