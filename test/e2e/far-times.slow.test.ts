import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { cairn, type CliResult } from '../support/cli.ts';
import { canMount } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const YEAR_2300 = '10413792000';
const MIB = 1024 * 1024;

/** A tree whose root, a directory and a file in it are of the year 2300; undefined where the disk keeps no such times. */
function farTree(): string | undefined {
  const tree = mkdtempSync(path.join(tmpdir(), 'cairn-far-'));
  afterAll(() => rmSync(tree, { recursive: true }));
  mkdirSync(path.join(tree, 'far'));
  writeFileSync(path.join(tree, 'far/file'), 'content');
  for (const name of ['far/file', 'far', '.']) utimesSync(path.join(tree, name), 0, YEAR_2300);
  return statSync(tree).mtimeMs > 9_223_372_036_854 ? tree : undefined;
}

const tree = farTree();

function warned(result: CliResult): unknown[] {
  return result.lines.filter(({ type }) => type === 'warning').map(({ code, path: at }) => [code, at]);
}

test.skipIf(tree === undefined)(
  'a time of the year 2300 is carried as the latest possible one, and named (needs a disk that keeps it)',
  async () => {
    const server = await startDiskServer();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const url = `${server.url}/tree`;
    const named = ['', 'far', 'far/file'].map((name) => ['time-out-of-range', name]);
    const first = await cairn(['push', '--json', tree!, url], environment);
    expect(first, first.stderr).toMatchObject({ exitCode: 3, last: { bytesSent: 7, entries: 3 } });
    expect(warned(first)).toEqual(named);
    expect(readFileSync(path.join(server.root, 'tree/far/file'), 'utf8')).toBe('content');
    expect(statSync(path.join(server.root, 'tree/far')).mtime.getUTCFullYear()).toBe(2262);
    const second = await cairn(['push', '--json', tree!, url], environment);
    expect(second).toMatchObject({ exitCode: 3, last: { bytesSent: 0 } });
    const pulled = path.join(temporaryDirectory(), 'pulled');
    const pull = await cairn(['pull', '--json', url, pulled], environment);
    expect(pull, pull.stderr).toMatchObject({ exitCode: 0, last: { bytesReceived: 7 } });
    const verified = await cairn(['verify', pulled, url], environment);
    expect(verified.exitCode, verified.stdout.toString()).toBe(0);
    const text = await cairn(['push', tree!, url], environment);
    expect(text.stderr).toContain('"far": its modification time');
    expect(text.stderr).not.toContain('left out "');
  },
);

test.skipIf(!canMount)(
  'a file system that ends in 2038 keeps its latest time, named, and the next run moves nothing (needs root)',
  async () => {
    const root = temporaryDirectory();
    const image = path.join(temporaryDirectory(), 'image');
    writeFileSync(image, '');
    truncateSync(image, 16 * MIB);
    const made = spawnSync('mkfs.ext4', ['-q', '-I', '128', image]);
    if (made.status !== 0) throw new Error(`mkfs.ext4: ${String(made.error ?? made.stderr)}`);
    const mounted = spawnSync('mount', ['-o', 'loop', image, root]);
    if (mounted.status !== 0) throw new Error(`mount: ${mounted.stderr.toString()}`);
    onTestFinished(() => void spawnSync('umount', ['-l', root]));
    const server = await startDiskServer({ root });
    onTestFinished(() => server.kill());
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const source = temporaryDirectory();
    mkdirSync(path.join(source, 'directory'));
    writeFileSync(path.join(source, 'directory/file'), 'content');
    for (const name of ['directory/file', 'directory']) utimesSync(path.join(source, name), 0, '4102444800');
    const push = ['push', '--json', source, `${server.url}/tree`];
    const first = await cairn(push, environment);
    expect(first, first.stderr).toMatchObject({ exitCode: 3, last: { bytesSent: 7, excluded: 2 } });
    expect(warned(first)).toEqual([
      ['time-out-of-range', 'directory'],
      ['time-out-of-range', 'directory/file'],
    ]);
    expect(statSync(path.join(root, 'tree/directory/file')).mtime.getUTCFullYear()).toBeLessThan(2039);
    const second = await cairn(push, environment);
    expect(second, second.stderr).toMatchObject({ last: { type: 'summary', bytesSent: 0 } });
  },
);
