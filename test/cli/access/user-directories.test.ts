import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { failureOf } from '../../../src/cli/process/failure.ts';
import { openStateHome } from '../../../src/cli/access/user-directories.ts';
import { canMount } from '../../support/requirements.ts';
import { temporaryDirectory } from '../../support/trees.ts';

test('a state home is made for its owner only, also if it was open to others', async () => {
  const home = path.join(temporaryDirectory(), 'a/b');
  expect(await openStateHome({ CAIRN_STATE_HOME: home })).toBe(home);
  chmodSync(home, 0o755);
  await openStateHome({ CAIRN_STATE_HOME: home });
  expect(statSync(home).mode & 0o777).toBe(0o700);
});

test.skipIf(!canMount)(
  'a state home that cannot be written ends no command by itself (needs mounts)',
  async () => {
    const home = path.join(temporaryDirectory(), 'read-only');
    mkdirSync(home);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro,mode=755', 'none', home]).status).toBe(0);
    onTestFinished(() => void spawnSync('umount', ['-l', home]));
    expect(await openStateHome({ CAIRN_STATE_HOME: home })).toBe(home);
    const missing = path.join(home, 'missing');
    expect(await openStateHome({ CAIRN_STATE_HOME: missing })).toBe(missing);
    expect(existsSync(missing)).toBe(false);
  },
);

test('a state home that is a file is an error', async () => {
  const home = path.join(temporaryDirectory(), 'file');
  writeFileSync(home, '');
  await expect(openStateHome({ CAIRN_STATE_HOME: home })).rejects.toMatchObject({ code: 'not-directory' });
});

test('a removed working directory is reported as not found, and not as a bug', () => {
  const error = Object.assign(new Error('ENOENT: process.cwd failed'), { code: 'ENOENT', syscall: 'uv_cwd' });
  expect(failureOf(error)).toMatchObject({ code: 'not-found', exitCode: 4 });
});
