/** What is kept of the compiled code of cairn: it is run, so nobody else may have a hand in it. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BIN = resolve(import.meta.dirname, '../../bin/cairn.js');
const isRoot = process.getuid?.() === 0;
/** The number of another user. */
const STRANGER = 54_321;

let home: string;
let directory: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-compiled-'));
  directory = join(home, '.cache/cairn/compiled');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function environment(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { NODE_COMPILE_CACHE: _, XDG_CACHE_HOME: __, ...rest } = process.env;
  // A name below this one is where Node would keep it by itself.
  return { ...rest, HOME: home, TMPDIR: home, CAIRN_STATE_HOME: join(home, 'state'), ...env };
}

function start(env: Readonly<Record<string, string>> = {}, uid?: number): void {
  const { status, stdout } = spawnSync(process.execPath, [BIN, 'transfers'], {
    env: environment(env),
    cwd: home,
    encoding: 'utf8',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'no unfinished transfers on this machine\n' });
  expect(existsSync(join(home, 'node-compile-cache'))).toBe(false);
}

describe('directories of compiled code', () => {
  it('compiled code is kept in a directory that only its user can write', () => {
    start();
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it('compiled code is kept below XDG_CACHE_HOME if that is absolute', () => {
    start({ XDG_CACHE_HOME: join(home, 'xdg') });
    expect(readdirSync(join(home, 'xdg/cairn/compiled'))).toHaveLength(1);
    start({ XDG_CACHE_HOME: 'relative' });
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it('compiled code is not kept in a directory that others can write', () => {
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o777);
    start();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('compiled code is not kept in a directory that others can exchange', () => {
    mkdirSync(directory, { recursive: true });
    chmodSync(join(home, '.cache/cairn'), 0o777);
    start();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('compiled code is not kept below a directory that others may write to', () => {
    mkdirSync(directory, { recursive: true });
    chmodSync(join(home, '.cache'), 0o777);
    start();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('compiled code is not kept behind a symbolic link', () => {
    mkdirSync(join(home, 'elsewhere'));
    mkdirSync(join(home, '.cache/cairn'), { recursive: true });
    symlinkSync(join(home, 'elsewhere'), directory);
    start();
    expect(readdirSync(join(home, 'elsewhere'))).toEqual([]);
  });

  it.each(['', 'relative'])(
    'compiled code is neither looked for nor kept below the working directory where HOME is "%s"',
    (own) => {
      start({ HOME: own });
      expect(readdirSync(home)).not.toContain('.cache');
      expect(readdirSync(home)).not.toContain('relative');
    },
  );

  it.skipIf(!isRoot)(
    'nothing is made in the home of another user, as where sudo keeps it (needs root)',
    () => {
      chownSync(home, STRANGER, STRANGER);
      start();
      expect(readdirSync(home)).not.toContain('.cache');
    },
  );

  it.skipIf(!isRoot)(
    'compiled code is not kept below a directory or a link of another user (needs root)',
    () => {
      mkdirSync(directory, { recursive: true });
      chownSync(join(home, '.cache'), STRANGER, STRANGER);
      start();
      expect(readdirSync(directory)).toEqual([]);
      mkdirSync(join(home, 'own'));
      symlinkSync(join(home, 'own'), join(home, 'link'));
      lchownSync(join(home, 'link'), STRANGER, STRANGER);
      start({ XDG_CACHE_HOME: join(home, 'link') });
      expect(readdirSync(join(home, 'own'))).toEqual([]);
    },
  );

  it.skipIf(!isRoot)('a run ends well where its compiled code cannot be kept (needs root)', () => {
    mkdirSync(directory, { recursive: true });
    for (const path of [home, '.cache', '.cache/cairn', '.cache/cairn/compiled'])
      chownSync(resolve(home, path), STRANGER, STRANGER);
    // Not even what is there can be looked at.
    chmodSync(directory, 0o600);
    start({}, STRANGER);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('cairn starts without a place for compiled code', () => {
    start({ HOME: '/dev/null/no-home' });
  });

  it.skipIf(!isRoot)('compiled code is not kept for a user without a home (needs root)', () => {
    const { NODE_COMPILE_CACHE: _, XDG_CACHE_HOME: __, HOME: ___, ...env } = process.env;
    const { status, stderr } = spawnSync(process.execPath, [BIN, 'help', 'ls'], {
      env,
      uid: STRANGER,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('files of compiled code', () => {
  /** Runs a bundle of this text, as cairn runs its own. */
  const run = (text: string, command = 'ls'): string => {
    const bin = join(home, 'bin');
    const dist = join(home, 'dist');
    for (const folder of [bin, dist]) mkdirSync(folder, { recursive: true });
    copyFileSync(BIN, join(bin, 'cairn.js'));
    copyFileSync(resolve(BIN, '../../dist/start.cjs'), join(dist, 'start.cjs'));
    writeFileSync(join(dist, 'main.cjs'), text);
    const words = [join(bin, 'cairn.js'), command];
    return spawnSync(process.execPath, words, { env: environment(), encoding: 'utf8' }).stdout;
  };
  const prints = (word: string): string => `process.stdout.write(require('node:path').basename('/${word}'));`;
  const kept = (): string => {
    const names = readdirSync(directory);
    expect(names).toHaveLength(1);
    return join(directory, names[0]!);
  };
  /** It is written anew only where it was not taken. */
  const version = (): unknown => {
    const { ino, mtimeNs } = statSync(kept(), { bigint: true });
    return { ino, mtimeNs };
  };

  it('a file of compiled code is used by the next run of its command', () => {
    expect(run(prints('one'))).toBe('one');
    const first = version();
    expect(run(prints('one'))).toBe('one');
    expect(version()).toEqual(first);
  });

  it('a file of compiled code is not used for a bundle with another text of the same length', () => {
    run(prints('one'));
    const first = version();
    expect(run(prints('two'))).toBe('two');
    expect(version()).not.toEqual(first);
  });

  it.each([
    ['was cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['is empty', () => Buffer.alloc(0)],
    ['has a wrong byte', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([1])])],
  ])('a file of compiled code is written anew where it %s', (_what, damage) => {
    run(prints('one'));
    const whole = readFileSync(kept());
    writeFileSync(kept(), damage(whole));
    const damaged = version();
    expect(run(prints('one'))).toBe('one');
    expect(version()).not.toEqual(damaged);
    expect(readFileSync(kept()).length).toBe(whole.length);
  });

  it('a file of compiled code is replaced where others can write it', () => {
    run(prints('one'));
    chmodSync(kept(), 0o666);
    expect(run(prints('one'))).toBe('one');
    expect(statSync(kept()).mode & 0o777).toBe(0o600);
  });

  it.skipIf(!isRoot)('a file of compiled code of another user is replaced (needs root)', () => {
    run(prints('one'));
    chownSync(kept(), STRANGER, STRANGER);
    expect(run(prints('one'))).toBe('one');
    expect(statSync(kept()).uid).toBe(0);
  });

  it('a run that fails keeps no compiled code, nor does a word that is no command', () => {
    run('process.exitCode = 1');
    run(prints('one'), '--help');
    run(prints('one'), '../../elsewhere');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('a new file of compiled code takes the place of old ones once there are many', () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const letter of letters) writeFileSync(join(directory, `${letter}${letter}-v0`), 'old');
    // What cairn did not make, it does not delete.
    mkdirSync(join(directory, 'folder'));
    writeFileSync(join(directory, 'notes'), 'of the user');
    run(prints('one'));
    const names = readdirSync(directory);
    expect(names.filter((name) => name.startsWith('ls-'))).toHaveLength(1);
    expect(names.filter((name) => name.includes('-v'))).toHaveLength(24);
    expect(names).toEqual(expect.arrayContaining(['folder', 'notes']));
  });
});
