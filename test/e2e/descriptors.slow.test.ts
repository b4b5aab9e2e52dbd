import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cairn, type CliResult } from '../support/cli.ts';
import { canMount } from '../support/requirements.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

interface Scene {
  readonly server: DiskServer;
  readonly directory: string;
  /** Pushes to `/x` by a line of a shell, in which "$@" is `cairn push`. */
  push(line: string): Promise<CliResult>;
  /** What is at `/x`. */
  there(): string;
}

/** A server that has a good file at `/x`. */
async function openScene(): Promise<Scene> {
  const server = await startDiskServer();
  const directory = temporaryDirectory();
  writeFileSync(path.join(server.root, 'x'), 'good');
  const environment = { stateHome: temporaryDirectory(), token: server.token, cwd: directory };
  return {
    server,
    directory,
    push: (line) => {
      const before = ['bash', '-c', line.replaceAll('URL', 'BASE/x').replaceAll('BASE', server.url), 'bash'];
      return cairn(['push', '--json'], { ...environment, before });
    },
    there: () => readFileSync(path.join(server.root, 'x'), 'utf8'),
  };
}

test.each([
  ['is closed', '"$@" - URL <&-', 9],
  ['is closed, and named as /dev/stdin', '"$@" /dev/stdin URL <&-', 9],
  ['is a directory', '"$@" - URL </', 2],
  ['is a file that is only open for writing', '"$@" - URL 0>out', 9],
  ['is the end of a pipe that is only written to', 'exec 3> >(cat >/dev/null); "$@" - URL 0>&3 3>&-', 9],
  ['fails while it is read', '"$@" - URL </proc/$$/mem; exit $?', 9],
])('a push of a standard input that %s publishes nothing, and says so', async (_how, line, exitCode) => {
  const scene = await openScene();
  const result = await scene.push(line);
  expect(result, result.stderr).toMatchObject({ exitCode, last: { type: 'error' } });
  expect(result.stderr).toMatch(/standard input|\/dev\/stdin/);
  expect(scene.there()).toBe('good');
});

test.each([
  ['/dev/null', '"$@" - URL </dev/null', ''],
  ['a file, from where it is read up to', '{ head -c0; read -r _; "$@" - URL; } <lines', 'two\n'],
  ['a process substitution', '"$@" <(echo precious) URL', 'precious\n'],
  ['a process substitution that a link of /dev names', 'echo precious | "$@" /dev/stdin URL', 'precious\n'],
  ['a descriptor by its number', '"$@" /dev/fd/5 URL 5<lines', 'one\ntwo\n'],
  ['a descriptor in /proc', '"$@" /proc/self/fd/5 URL 5<lines', 'one\ntwo\n'],
  ['a here-document', '"$@" /dev/stdin URL <<<text', 'text\n'],
])('a push of %s sends the bytes that come out of it', async (_what, line, content) => {
  const scene = await openScene();
  writeFileSync(path.join(scene.directory, 'lines'), 'one\ntwo\n');
  const result = await scene.push(line);
  expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { bytesTotal: content.length } });
  expect(lstatSync(path.join(scene.server.root, 'x')).isFile()).toBe(true);
  expect(scene.there()).toBe(content);
});

test('a push refuses a stream beside another source, and options that have no effect on a stream', async () => {
  const scene = await openScene();
  writeFileSync(path.join(scene.directory, 'file'), '');
  for (const line of ['"$@" file <(echo x) URL', '"$@" --checksum <(echo x) URL', '"$@" <(echo x) URL/']) {
    const result = await scene.push(line);
    expect(result, result.stderr).toMatchObject({ exitCode: 2 });
  }
  expect(scene.there()).toBe('good');
});

test('a push of an open directory sends it as a tree, and a link of the user as a link', async () => {
  const scene = await openScene();
  mkdirSync(path.join(scene.directory, 'tree'));
  writeFileSync(path.join(scene.directory, 'tree/file'), 'content');
  const tree = await scene.push('"$@" /dev/fd/5 BASE/tree 5<tree');
  expect(tree.exitCode, tree.stderr).toBe(0);
  expect(readFileSync(path.join(scene.server.root, 'tree/file'), 'utf8')).toBe('content');
  symlinkSync('/dev/stdin', path.join(scene.directory, 'link'));
  const link = await scene.push('"$@" link BASE/link');
  expect(link.exitCode, link.stderr).toBe(0);
  expect(lstatSync(path.join(scene.server.root, 'link')).isSymbolicLink()).toBe(true);
});

test('a push of a FIFO as its only source is refused, with the command that reads it', async () => {
  const scene = await openScene();
  const result = await scene.push('mkfifo pipe; "$@" pipe URL');
  expect(result).toMatchObject({ exitCode: 2, last: { code: 'source-unsupported' } });
  expect(result.stderr).toContain('cairn push - URL <');
});

test('cairn verify refuses a stream', async () => {
  const { server } = await openScene();
  const environment = { stateHome: temporaryDirectory(), token: server.token, stdin: [] };
  const result = await cairn(['verify', '/dev/stdin', `${server.url}/x`], environment);
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toContain('stream');
});

test.each([
  ['a FIFO', 'mkfifo there'],
  ['a link to a FIFO', 'mkfifo fifo; ln -s fifo there'],
  ['a link to a device', 'ln -s /dev/null there'],
  ['a link to standard output, which is a file', 'ln -s /proc/self/fd/1 there'],
  ['a link to a link of /dev to standard output', 'ln -s /dev/stdout there'],
  ['a link to a descriptor that is closed', 'ln -s /proc/self/fd/77 there'],
])('a pull to %s is refused, and leaves it alone', async (_what, make) => {
  const { server, directory } = await openScene();
  const before = ['bash', '-c', `${make}; "$@" >out`, 'bash'];
  const environment = { stateHome: temporaryDirectory(), token: server.token, cwd: directory, before };
  const result = await cairn(['pull', `${server.url}/x`, 'there'], environment);
  expect(result.exitCode, result.stderr).toBe(9);
  expect(result.stderr).toContain('cairn pull URL -');
  expect(lstatSync(path.join(directory, 'there')).isFile()).toBe(false);
});

test('a pull to /dev/null or /dev/stdout by its name is refused', async () => {
  const { server } = await openScene();
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  for (const name of ['/dev/null', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']) {
    const result = await cairn(['pull', `${server.url}/x`, name], environment);
    expect(result.exitCode, result.stderr).toBe(9);
  }
  expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
});

test('a pull replaces a link to a file and a broken link, and follows a link to a directory', async () => {
  const { server, directory } = await openScene();
  const environment = { stateHome: temporaryDirectory(), token: server.token, cwd: directory };
  writeFileSync(path.join(directory, 'file'), 'old');
  mkdirSync(path.join(directory, 'folder'));
  for (const [name, target] of [
    ['to-file', 'file'],
    ['to-nothing', 'nothing'],
    ['to-folder', 'folder'],
  ] as const) {
    symlinkSync(target, path.join(directory, name));
    const result = await cairn(['pull', `${server.url}/x`, name], environment);
    expect(result.exitCode, result.stderr).toBe(0);
  }
  expect(readFileSync(path.join(directory, 'file'), 'utf8')).toBe('old');
  expect(readFileSync(path.join(directory, 'to-file'), 'utf8')).toBe('good');
  expect(readFileSync(path.join(directory, 'folder/x'), 'utf8')).toBe('good');
});

test.skipIf(!canMount)('a push of a block device sends all of it (needs root)', async () => {
  const scene = await openScene();
  const image = path.join(scene.directory, 'image');
  writeRandomFile(image, 3 * 1024 * 1024);
  const { stdout, status } = spawnSync('losetup', ['-f', '--show', image], { encoding: 'utf8' });
  if (status !== 0) throw new Error('there is no loop device');
  const device = stdout.trim();
  onTestFinished(() => void spawnSync('losetup', ['-d', device]));
  const result = await scene.push(`"$@" - URL <${device}`);
  expect(result.exitCode, result.stderr).toBe(0);
  expect(readFileSync(path.join(scene.server.root, 'x')).equals(readFileSync(image))).toBe(true);
});
