import { spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cairn } from '../support/cli.ts';
import { canMount, hasProgram } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;

/** Mounts a new XFS, whose files can share blocks, until the test ends; whether that was possible. */
function mountXfs(directory: string): boolean {
  const image = `${directory}.image`;
  mkdirSync(directory, { recursive: true });
  const fd = openSync(image, 'w');
  ftruncateSync(fd, 512 * MIB);
  closeSync(fd);
  onTestFinished(() => void spawnSync('umount', ['-l', directory]));
  const { PATH } = process.env;
  const env = { ...process.env, PATH: `${PATH}:/usr/sbin:/sbin` };
  return (
    spawnSync('mkfs.xfs', ['-q', '-m', 'reflink=1', image], { env }).status === 0 &&
    spawnSync('mount', ['-o', 'loop', image, directory]).status === 0
  );
}

const usedBytes = (directory: string): number => {
  spawnSync('sync', ['-f', directory]);
  const { blocks, bfree, bsize } = statfsSync(directory);
  return (blocks - bfree) * bsize;
};

test.skipIf(!canMount || !hasProgram('mkfs.xfs'))(
  'a changed file shares its unmoved bytes with its older version on a disk that can clone (needs root and mkfs.xfs)',
  async (context) => {
    const root = path.join(temporaryDirectory(), 'root');
    if (!mountXfs(root)) context.skip('this machine mounts no XFS');
    const server = await startDiskServer({ root });
    const file = path.join(temporaryDirectory(), 'file');
    writeRandomFile(file, 64 * MIB);
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const push = ['push', '--json', file, `${server.url}/tree/file`];
    expect(await cairn(push, environment)).toMatchObject({ exitCode: 0 });
    linkSync(path.join(root, 'tree/file'), path.join(root, 'older'));
    const before = usedBytes(root);
    const old = readFileSync(file);
    const changed = Buffer.concat([old, Buffer.alloc(500_000, 'more')]);
    changed.fill('changed', 20 * MIB, 20 * MIB + 5000);
    writeFileSync(file, changed);
    const pushed = await cairn(push, environment);
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    expect(readFileSync(path.join(root, 'tree/file')).equals(changed)).toBe(true);
    expect(readFileSync(path.join(root, 'older')).equals(old)).toBe(true);
    expect(usedBytes(root) - before).toBeLessThan(8 * MIB);
  },
);
