/** The built CLI as real processes: what needs no server. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const BIN = join(ROOT, 'bin/cairn.js');

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-cli-'));
  expect(existsSync(join(ROOT, 'dist/main.cjs')), 'run npm run build first').toBe(true);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function cairn(
  args: readonly string[],
  nodeArgs: readonly string[] = [],
  more: Readonly<Record<string, string>> = {},
) {
  const env = { ...process.env, CAIRN_STATE_HOME: join(home, 'state'), NODE_COMPILE_CACHE: '', ...more };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeArgs, BIN, ...args], {
    env,
    cwd: home,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

const version = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;

describe('cairn', () => {
  it('cairn prints its version', () => {
    expect(cairn(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('cairn starts without libraries that only some commands need', () => {
    const [trace, list] = [join(home, 'trace.cjs'), join(home, 'loaded')];
    // What was read is asked of the loader itself: a bundle that is not loaded costs nothing.
    const save = `require('node:fs').writeFileSync(${JSON.stringify(list)}, Object.keys(require.cache).join('\\n'))`;
    writeFileSync(trace, `process.on('exit', () => ${save});`);
    expect(cairn(['--version'], ['--require', trace]).status).toBe(0);
    const loaded = readFileSync(list, 'utf8')
      .split('\n')
      .filter((file) => file.includes('/dist/'));
    expect(loaded.length).toBeGreaterThan(0);
    const text = loaded.map((file) => readFileSync(file, 'utf8')).join('\n');
    for (const name of ['pino', 'valibot', 'cli-progress', 'xxhash-wasm']) {
      expect(text).not.toContain(`node_modules/${name}/`);
    }
  });

  it('a push starts without libraries that only servers need', () => {
    const text = readFileSync(join(ROOT, 'dist/transfer.cjs'), 'utf8');
    expect(text).toContain('node_modules/cli-progress/');
    for (const name of ['pino', 'prom-client', 'undici']) {
      expect(text.includes(`node_modules/${name}/`), name).toBe(false);
    }
  });

  it.each([[[]], [['--help']], [['help', 'push']]])('cairn explains itself: %j', (args) => {
    const { status, stdout, stderr } = cairn(args);
    expect(stdout + stderr).toContain('Usage: cairn');
    expect(status).toBe(args.length === 0 ? 2 : 0);
  });

  it.each(['serve', 'push', 'pull', 'ls', 'verify', 'transfers', 'demo'])(
    'cairn %s --help has examples',
    (command) => {
      const { status, stdout } = cairn([command, '--help']);
      expect(status).toBe(0);
      expect(stdout).toMatch(new RegExp(`Examples:\\n  cairn ${command}`));
    },
  );

  it.each([
    [['bogus'], 'unknown command'],
    [['push', '--bogus'], 'unknown option'],
    [['ls'], 'missing required argument'],
    [['ls', 'http://h/', 'more'], 'too many arguments'],
    [['ls', '-x', 'http://h/'], '-x: a server does not tell'],
    [['pull', '--no-ignore-files=1', 'http://h/', 'a'], 'only count in a source on this machine'],
    [['push', 'a', '--parallel'], 'argument missing'],
    [['push', 'a'], 'push takes at least one source'],
    [['push', 'a', 'http://u:p@h/'], '--token-file'],
    [['pull', 'http://h/x'], 'pull takes a URL and a destination'],
    [['verify', 'http://h/x', 'a'], 'local path first'],
    [['serve'], '--root'],
    [['serve', '--root', '.', '--listen', '0.0.0.0:0'], '--insecure-listen'],
    [['push', 'a', 'http://h/', '--sync', 'never'], '--sync takes one of always, group, close'],
    [['pull', 'http://h/', 'a', '--sync', 'never'], '--sync takes one of always, group, close'],
    [['push', 'a', 'http://h/', '--compress', 'zip'], '--compress takes one of auto, always, never'],
    [['pull', 'http://h/', 'a', '--compress', '9'], '--compress takes one of auto, always, never'],
    [['serve', '--root', '.', '--sync', 'never'], '--sync takes one of always, group, close'],
    [['transfers', 'rm'], '--all'],
    [['demo', 'a', 'b'], 'too many arguments'],
  ])('the command line %j is wrong usage', (args, said) => {
    const { status, stdout, stderr } = cairn(args);
    expect(stderr).toContain(said);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  it.each([
    [['push', 'a', '--json'], 'usage', 2],
    [['push', '--json', '--bogus'], 'usage', 2],
    [['push', '--json', 'a', 'http://h/../x'], 'path-unsafe', 2],
    [['serve', '--json', '--root', '.', '--sync', 'never'], 'usage', 2],
    [['demo', 'missing'], undefined, 4],
    [['push', '--from-command', 'http://h/?', '--', 'x', '--json'], undefined, 2],
  ])('the command line %j ends with an object for scripts if that was asked for', (args, code, exitCode) => {
    const { status, stdout, stderr } = cairn(args);
    expect(status).toBe(exitCode);
    expect(stderr).not.toBe('');
    if (code === undefined) expect(stdout).toBe('');
    else expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code, exitCode });
  });

  it.each([
    [['x\u001b[2Jy']],
    [['push', '--x\u001b]0;y\u0007']],
    [['push', '-\u009b2J']],
    [['transfers', 'list', 'more\u202e']],
    [['completion', 'zsh\u001b[1A']],
  ])('a word in %j does not move the cursor when it is quoted', (args) => {
    const { status, stderr } = cairn(args);
    expect(status).toBe(2);
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  it('a failure is an object for scripts if the variable of the command asks for it', () => {
    const { stdout } = cairn(['push', 'a'], [], { CAIRN_PUSH_JSON: '1' });
    expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code: 'usage', exitCode: 2 });
    expect(cairn(['push', 'a'], [], { CAIRN_PUSH_JSON: '0', CAIRN_JSON: '1' }).stdout).toBe('');
  });

  it('a server that does not start says why in its log, and prints nothing', () => {
    const { status, stdout, stderr } = cairn(['serve', '--json', '--root', 'missing']);
    expect([status, stdout]).toEqual([4, '']);
    expect(JSON.parse(stderr)).toMatchObject({ code: 'not-found', exitCode: 4 });
  });

  it('cairn serve refuses a root that is no writable directory', () => {
    writeFileSync(join(home, 'file'), '');
    expect(cairn(['serve', '--root', 'file'])).toMatchObject({ status: 2, stdout: '' });
    expect(cairn(['serve', '--root', 'missing']).stderr).toContain('mkdir -p');
  });

  it('cairn transfers lists transfers with unreadable records, does not resume them, and removes them', () => {
    const [newer, broken] = ['a1'.repeat(16), 'b2'.repeat(16)];
    for (const [id, text] of [
      [newer, '{"version":3}'],
      [broken, '{"version":1,'],
    ]) {
      const folder = join(home, 'state/transfers', id!);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, 'transfer.json'), text!, { mode: 0o600 });
    }
    const { stdout } = cairn(['transfers']);
    expect(stdout).toMatch(/^a1a1a1a1 {2}of a newer cairn /m);
    expect(stdout).toMatch(/^b2b2b2b2 {2}damaged /m);
    const lines = cairn(['transfers', '--json']).stdout.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { type: 'unreadable', id: newer, code: 'journal-version' },
      { type: 'unreadable', id: broken, code: 'journal-corrupt' },
      { type: 'summary', transfers: 0 },
    ]);
    const resumed = cairn(['transfers', 'resume']);
    expect(resumed.status).not.toBe(0);
    expect(resumed.stderr).toContain('cairn transfers rm a1a1a1a1');
    const summary = JSON.parse(cairn(['transfers', 'resume', '--json']).stdout) as unknown;
    expect(summary).toEqual({ type: 'summary', transfers: 0, code: 'journal-corrupt', exitCode: 7 });
    expect(cairn(['transfers', 'rm', 'a1', 'b2'])).toMatchObject({ status: 0 });
    expect(cairn(['transfers']).stdout).toBe('no unfinished transfers on this machine\n');
  });

  it('cairn transfers lists no transfers where there are none', () => {
    expect(cairn(['transfers'])).toMatchObject({
      status: 0,
      stdout: 'no unfinished transfers on this machine\n',
    });
    const { status, stdout } = cairn(['transfers', 'list', '--json']);
    expect(JSON.parse(stdout)).toEqual({ type: 'summary', transfers: 0, code: 'ok', exitCode: 0 });
    expect(status).toBe(0);
    expect(cairn(['transfers', 'show', 'nothing']).status).toBe(4);
    expect(cairn(['transfers', 'resume']).status).toBe(0);
  });
});
