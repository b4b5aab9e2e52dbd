import {
  chmodSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { cairn } from '../support/cli.ts';
import { BACKENDS, fetchPublished } from '../support/servers.ts';
import { pictureOf, temporaryDirectory, writeAwkwardTree, writeRandomFile } from '../support/trees.ts';

const CHUNK = ['--chunk-size', '64K', '--json'];

describe.each(BACKENDS)('round trips over $name', ({ start }) => {
  test('an awkward tree comes back as it was, to the nanosecond', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const back = path.join(temporaryDirectory(), 'back');
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    writeAwkwardTree(source);

    const pushed = await cairn(['push', ...CHUNK, source, `${server.url}/some/where`], environment);
    expect(pushed).toMatchObject({ exitCode: 0, last: { type: 'summary', direction: 'push', exitCode: 0 } });
    const pulled = await cairn(['pull', ...CHUNK, `${server.url}/some/where`, back], environment);
    expect(pulled).toMatchObject({ exitCode: 0, last: { type: 'summary', direction: 'pull' } });

    expect(pictureOf(back)).toEqual(pictureOf(source));
    expect(pulled.last['digest']).toBe(pushed.last['digest']);
    expect(readdirSync(back)).not.toContain('.cairn');
    expect(readdirSync(path.join(environment.stateHome, 'transfers'))).toEqual([]);
  });

  test('a second push moves nothing, and one of a changed file moves that alone', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    writeAwkwardTree(source);
    const push = ['push', ...CHUNK, source, `${server.url}/tree`];
    const first = await cairn(push, environment);
    const second = await cairn(push, environment);
    expect(second).toMatchObject({
      exitCode: 0,
      last: { bytesSent: 0, bytesSkipped: first.last['bytesTotal'] },
    });

    writeFileSync(path.join(source, 'plain.txt'), 'changed\n');
    const third = await cairn(push, environment);
    expect(third).toMatchObject({ exitCode: 0, last: { bytesSent: 8 } });
    expect((await fetchPublished(server, '/tree/plain.txt'))?.toString()).toBe('changed\n');

    chmodSync(path.join(source, 'plain.txt'), 0o640);
    const fourth = await cairn(push, environment);
    expect(fourth).toMatchObject({ exitCode: 0, last: { bytesSent: 0 } });
    const back = temporaryDirectory();
    expect(await cairn(['pull', `${server.url}/tree`, back], environment)).toMatchObject({ exitCode: 0 });
    expect(pictureOf(back)).toEqual(pictureOf(source));
  });

  test('--checksum finds changed files with the same size and time, and skips files with only another time', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const file = path.join(source, 'file');
    writeFileSync(file, 'aaaa');
    writeFileSync(path.join(source, 'other'), 'unchanged');
    utimesSync(file, 1000, 1000);
    const push = ['push', '--json', source, `${server.url}/tree`];
    expect(await cairn(push, environment)).toMatchObject({ exitCode: 0 });
    writeFileSync(file, 'bbbb');
    utimesSync(file, 1000, 1000);
    utimesSync(path.join(source, 'other'), 2000, 2000);
    const checked = await cairn([...push, '--checksum'], environment);
    expect(checked).toMatchObject({ exitCode: 0, last: { bytesSent: 4, bytesSkipped: 9 } });
    expect((await fetchPublished(server, '/tree/file'))?.toString()).toBe('bbbb');
    const after = await cairn(push, environment);
    expect(after).toMatchObject({ exitCode: 0, last: { bytesSent: 0 } });
  });

  test('a dry run of a push counts the bytes that would move, and moves nothing', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    writeFileSync(path.join(source, 'file'), 'content');
    const run = await cairn(['push', '--dry-run', '--json', source, `${server.url}/tree`], environment);
    expect(run).toMatchObject({ exitCode: 0, last: { bytesTotal: 7, bytesSent: 0 } });
    expect(await fetchPublished(server, '/tree/file')).toBeUndefined();
  });

  test('a file lands under its name below a URL with a slash, and exactly at one without', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const file = path.join(source, 'name.bin');
    writeRandomFile(file, 300_000);
    expect(await cairn(['push', file, `${server.url}/below/`], environment)).toMatchObject({ exitCode: 0 });
    expect(await cairn(['push', file, `${server.url}/exactly`], environment)).toMatchObject({ exitCode: 0 });
    const below = await fetchPublished(server, '/below/name.bin');
    expect(below?.length).toBe(300_000);
    expect(await fetchPublished(server, '/exactly')).toEqual(below);

    const into = path.join(source, 'into');
    mkdirSync(into);
    expect(await cairn(['pull', `${server.url}/exactly`, into], environment)).toMatchObject({ exitCode: 0 });
    expect(
      await cairn(['pull', `${server.url}/exactly`, path.join(source, 'new')], environment),
    ).toMatchObject({ exitCode: 0 });
    expect(statSync(path.join(into, 'exactly')).mtimeMs).toBe(statSync(file).mtimeMs);
    expect(statSync(path.join(source, 'new')).size).toBe(300_000);
  });

  test('a push of several sources lands them side by side', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    writeFileSync(path.join(source, 'b'), 'b');
    mkdirSync(path.join(source, 'a/deep'), { recursive: true });
    writeFileSync(path.join(source, 'a/deep/file'), 'deep');
    const run = await cairn(
      ['push', path.join(source, 'b'), path.join(source, 'a'), `${server.url}/`],
      environment,
    );
    expect(run).toMatchObject({ exitCode: 0 });
    expect((await fetchPublished(server, '/b'))?.toString()).toBe('b');
    expect((await fetchPublished(server, '/a/deep/file'))?.toString()).toBe('deep');
  });

  test('an empty file and an empty directory arrive', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    writeFileSync(path.join(source, 'empty'), '');
    mkdirSync(path.join(source, 'nothing'));
    expect(await cairn(['push', path.join(source, 'empty'), `${server.url}/e`], environment)).toMatchObject({
      exitCode: 0,
    });
    expect(await cairn(['push', path.join(source, 'nothing'), `${server.url}/n`], environment)).toMatchObject(
      { exitCode: 0 },
    );
    expect((await fetchPublished(server, '/e'))?.length).toBe(0);
    const back = path.join(source, 'back');
    expect(await cairn(['pull', `${server.url}/n`, back], environment)).toMatchObject({ exitCode: 0 });
    expect(readdirSync(back)).toEqual([]);
  });

  test('cairn verify finds a push equal, and names entries that differ', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    writeAwkwardTree(source);
    await cairn(['push', source, `${server.url}/tree`], environment);
    expect(await cairn(['verify', source, `${server.url}/tree`], environment)).toMatchObject({ exitCode: 0 });
    const { mtime } = statSync(path.join(source, 'exact'));
    writeRandomFile(path.join(source, 'exact'), 64 * 1024);
    utimesSync(path.join(source, 'exact'), mtime, mtime);
    rmSync(path.join(source, 'link'));
    symlinkSync('elsewhere', path.join(source, 'link'));
    const differing = await cairn(['verify', '--json', source, `${server.url}/tree`], environment);
    expect(differing.exitCode).toBe(7);
    const text = differing.stdout.toString() + differing.stderr;
    expect(text).toContain('exact');
    expect(text).toContain('link');
  });

  test('cairn ls lists the entries of one level or of all', async () => {
    const server = await start();
    const source = temporaryDirectory();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    mkdirSync(path.join(source, 'sub'));
    writeFileSync(path.join(source, 'sub/inner'), 'x');
    writeFileSync(path.join(source, 'evil\u001b[2Jname'), 'x');
    await cairn(['push', source, `${server.url}/tree`], environment);
    const flat = await cairn(['ls', `${server.url}/tree`], environment);
    expect(flat.exitCode).toBe(0);
    expect(flat.stdout.toString()).toContain('sub');
    expect(flat.stdout.toString()).not.toContain('inner');
    expect(flat.stdout.toString()).not.toContain('\u001b[2J');
    const deep = await cairn(['ls', '--recursive', `${server.url}/tree`], environment);
    expect(deep.stdout.toString()).toContain('sub/inner');
  });
});
