/** Where Node keeps the compiled code of cairn: what lies there is run, so nobody else may write it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import module from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BIN = resolve(import.meta.dirname, '../../bin/cairn.js');

let home: string;
let directory: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-compiled-'));
  directory = join(home, '.cache/cairn/compiled');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function start(env: Readonly<Record<string, string>> = {}): void {
  const { NODE_COMPILE_CACHE: _, XDG_CACHE_HOME: __, ...rest } = process.env;
  // A name below this one is where Node would keep it by itself.
  const own = { ...rest, HOME: home, TMPDIR: home, CAIRN_STATE_HOME: join(home, 'state'), ...env };
  const { status, stdout } = spawnSync(process.execPath, [BIN, 'transfers'], { env: own, encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'no unfinished transfers on this machine\n' });
  expect(existsSync(join(home, 'node-compile-cache'))).toBe(false);
}

const keepsCode = 'enableCompileCache' in module;

describe('compiled code', () => {
  it.runIf(keepsCode)('is kept where only its user can write', () => {
    start();
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it.runIf(keepsCode)('is kept below XDG_CACHE_HOME, where that is absolute', () => {
    start({ XDG_CACHE_HOME: join(home, 'xdg') });
    expect(readdirSync(join(home, 'xdg/cairn/compiled'))).toHaveLength(1);
    start({ XDG_CACHE_HOME: 'relative' });
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it('is not kept where others can write', () => {
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o777);
    start();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is not kept where others can exchange the directory', () => {
    mkdirSync(directory, { recursive: true });
    chmodSync(join(home, '.cache/cairn'), 0o777);
    start();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is not kept below a directory that others may write to', () => {
    mkdirSync(directory, { recursive: true });
    chmodSync(join(home, '.cache'), 0o777);
    start();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is not kept behind a symbolic link', () => {
    mkdirSync(join(home, 'elsewhere'));
    mkdirSync(join(home, '.cache/cairn'), { recursive: true });
    symlinkSync(join(home, 'elsewhere'), directory);
    start();
    expect(readdirSync(join(home, 'elsewhere'))).toEqual([]);
  });

  it('is not needed', () => {
    start({ HOME: '/dev/null/no-home' });
  });

  it.skipIf(process.getuid?.() !== 0)('is not kept for a user without a home (needs root)', () => {
    const { NODE_COMPILE_CACHE: _, XDG_CACHE_HOME: __, HOME: ___, ...env } = process.env;
    const { status, stderr } = spawnSync(process.execPath, [BIN, 'help', 'ls'], {
      env,
      uid: 54_321,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
