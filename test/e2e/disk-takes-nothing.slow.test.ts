/** Servers whose disk is full or read-only: what is there can still be read. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cairn } from '../support/cli.ts';
import { canMount, mountTmpfs } from '../support/requirements.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { digestOf, pictureOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;

function writeTree(root: string): void {
  mkdirSync(path.join(root, 'tree', 'deep'), { recursive: true });
  for (let number = 0; number < 20; number += 1)
    writeFileSync(path.join(root, 'tree', 'deep', `${number}`), `${number}`);
  writeRandomFile(path.join(root, 'tree', 'big'), 2 * MIB);
}

async function reads(server: DiskServer, root: string): Promise<void> {
  const here = { stateHome: temporaryDirectory(), token: server.token };
  const place = path.join(temporaryDirectory(), 'tree');
  const url = `${server.url}/tree`;
  expect(await cairn(['pull', '-q', url, place], here)).toMatchObject({ exitCode: 0 });
  expect(pictureOf(place)).toEqual(pictureOf(path.join(root, 'tree')));
  expect(await cairn(['ls', url], here)).toMatchObject({ exitCode: 0 });
  expect(await cairn(['verify', place, url], here)).toMatchObject({ exitCode: 0 });
  const answer = await fetch(`${url}/big`, { headers: { authorization: `Bearer ${server.token}` } });
  writeFileSync(path.join(here.stateHome, 'got'), Buffer.from(await answer.arrayBuffer()));
  expect(digestOf(path.join(here.stateHome, 'got'))).toBe(digestOf(path.join(root, 'tree', 'big')));
}

describe.skipIf(!canMount)('a server whose disk takes nothing (needs to mount)', () => {
  test('a server whose disk is full to the last byte is pulled from, and starts again', async () => {
    const disk = path.join(temporaryDirectory(), 'disk');
    mountTmpfs(disk, 8 * MIB);
    writeTree(disk);
    const server = await startDiskServer({ root: disk });
    const fill = spawnSync('dd', ['if=/dev/zero', `of=${path.join(disk, 'fill')}`, 'bs=4k']);
    expect(fill.status).not.toBe(0);
    await reads(server, disk);
    const here = { stateHome: temporaryDirectory(), token: server.token };
    const source = path.join(temporaryDirectory(), 'file');
    writeRandomFile(source, MIB);
    expect(await cairn(['push', '-q', source, `${server.url}/new`], here)).toMatchObject({ exitCode: 9 });
    await server.stop();
    await server.start();
    await reads(server, disk);
  });

  test('a server whose root is read-only is pulled from, with its state elsewhere', async () => {
    const disk = path.join(temporaryDirectory(), 'disk');
    mountTmpfs(disk, 8 * MIB);
    writeTree(disk);
    expect(spawnSync('mount', ['-o', 'remount,ro', disk]).status).toBe(0);
    const state = temporaryDirectory();
    const server = await startDiskServer({
      root: disk,
      extraArgs: ['--state', state],
      tokenFile: path.join(state, 'token'),
    });
    await reads(server, disk);
    const here = { stateHome: temporaryDirectory(), token: server.token };
    const source = path.join(temporaryDirectory(), 'file');
    writeRandomFile(source, MIB);
    const pushed = await cairn(['push', '-q', source, `${server.url}/new`], here);
    expect([pushed.exitCode, pushed.stderr]).toEqual([9, expect.stringContaining('read-only')]);
  });
});

const canUnshare = canMount && spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;

test.skipIf(!canUnshare)(
  'a second server in another container is refused the root of a living one, and starts after it (needs unshare)',
  async () => {
    const root = temporaryDirectory();
    const first = await startDiskServer({ root });
    const before = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', '--'];
    const words = ['serve', '--root', root, '--listen', '127.0.0.1:0'];
    const refused = await cairn(words, { stateHome: temporaryDirectory(), before });
    expect([refused.exitCode, refused.stderr]).toEqual([8, expect.stringContaining('another container')]);
    await first.kill();
    const second = await startDiskServer({ root, before });
    onTestFinished(() => second.kill());
    expect(statSync(path.join(root, '.cairn', 'lease')).size).toBe(512);
    expect(JSON.parse(readFileSync(path.join(root, '.cairn', 'lease'), 'utf8'))).toMatchObject({
      hasKernelLock: expect.any(Boolean),
    });
  },
);
