import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cairn, type CliEnvironment, type CliResult } from '../support/cli.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

interface Scene {
  readonly server: DiskServer;
  readonly source: string;
  readonly environment: CliEnvironment;
  push(source?: string): Promise<CliResult>;
}

async function openScene(): Promise<Scene> {
  const server = await startDiskServer();
  const source = temporaryDirectory();
  writeFileSync(path.join(source, 'file'), 'content');
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const push = (what = source): Promise<CliResult> =>
    cairn(['push', '--json', what, `${server.url}/tree`], environment);
  return { server, source, environment, push };
}

function warned(result: CliResult): unknown[] {
  return result.lines.filter(({ type }) => type === 'warning').map(({ path: at }) => at);
}

test.each([
  ['a folder of the user', (at: string) => writeIn(at, 'notes')],
  ['a file', (at: string) => writeFileSync(at, 'x')],
  ['a link', (at: string) => symlinkSync('/', at)],
])(
  '%s that has the reserved name at the top of a source is named, and the rest arrives',
  async (_what, make) => {
    const { server, source, push } = await openScene();
    make(path.join(source, '.cairn'));
    const result = await push();
    expect(result, result.stderr).toMatchObject({ exitCode: 3, last: { excluded: 1 } });
    expect(warned(result)).toEqual(['.cairn']);
    expect(readdirSync(path.join(server.root, 'tree'))).toEqual(['file']);
  },
);

test.each([
  ['staged bytes of an unfinished pull', 'staging/x/e0'],
  ['the records of a server', 'session-key'],
])('%s at the top of a source are left out without a warning', async (_what, name) => {
  const { server, source, push } = await openScene();
  writeIn(path.join(source, '.cairn'), name);
  const result = await push();
  expect(result, result.stderr).toMatchObject({ exitCode: 0 });
  expect(readdirSync(path.join(server.root, 'tree'))).toEqual(['file']);
});

test('an empty folder of the reserved name, as cairn leaves it, is left out without a warning', async () => {
  const { source, push } = await openScene();
  mkdirSync(path.join(source, '.cairn'));
  expect(await push()).toMatchObject({ exitCode: 0 });
});

test('the state of cairn in a source is left out, so that a second push finds nothing new', async () => {
  const { server, source, environment } = await openScene();
  const stateHome = path.join(source, '.local/state/cairn');
  mkdirSync(stateHome, { recursive: true });
  const push = ['push', '--json', source, `${server.url}/tree`];
  for (const bytesSent of [7, 0]) {
    const result = await cairn(push, { ...environment, stateHome });
    expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { bytesSent } });
  }
  expect(readdirSync(path.join(server.root, 'tree/.local/state'))).toEqual([]);
  const verified = await cairn(['verify', source, `${server.url}/tree`], { ...environment, stateHome });
  expect(verified.exitCode, verified.stdout.toString()).toBe(0);
});

test('the code of cairn that Node keeps in a source is left out, so that a second push finds nothing new', async () => {
  const { server, source, environment } = await openScene();
  const ofUser = { ...environment, env: { XDG_CACHE_HOME: path.join(source, '.cache') } };
  for (const bytesSent of [7, 0]) {
    const result = await cairn(['push', '--json', source, `${server.url}/tree`], ofUser);
    expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { bytesSent } });
  }
  const compiled = path.join(server.root, 'tree/.cache/cairn/compiled');
  expect(existsSync(compiled) ? readdirSync(compiled) : []).toEqual([]);
});

test.skipIf(!existsSync('/proc/version'))(
  'a file with content that is said to be empty is refused alone, and pushed as a stream (needs /proc)',
  async () => {
    const { server, environment, push } = await openScene();
    expect(statSync('/proc/version').size).toBe(0);
    const refused = await push('/proc/version');
    expect(refused).toMatchObject({ exitCode: 2, last: { code: 'source-unsupported' } });
    expect(refused.stderr).toContain('standard input');
    expect(existsSync(path.join(server.root, 'tree'))).toBe(false);
    const before = ['sh', '-c', 'exec "$@" </proc/version', 'sh'];
    const streamed = await cairn(['push', '-', `${server.url}/version`], { ...environment, before });
    expect(streamed.exitCode, streamed.stderr).toBe(0);
    expect(readFileSync(path.join(server.root, 'version'))).toEqual(readFileSync('/proc/version'));
  },
);

test.skipIf(!existsSync('/proc/self/net/unix') || !existsSync('/sys/kernel/mm/transparent_hugepage/enabled'))(
  'each file of a tree whose size is not true is named, and none is called whole (needs /proc and /sys)',
  async () => {
    const { server, push } = await openScene();
    // What a file of /sys has is less than the page that it is said to have.
    const shorter = '/sys/kernel/mm/transparent_hugepage';
    const result = await push(shorter);
    expect(result.exitCode, result.stderr).toBe(3);
    for (const name of readdirSync(shorter)) {
      const at = path.join(server.root, 'tree', name);
      if (!statSync(path.join(shorter, name)).isFile()) continue;
      expect(warned(result)).toContain(name);
      expect(existsSync(at)).toBe(false);
    }
  },
);

function writeIn(directory: string, name: string): void {
  const at = path.join(directory, name);
  mkdirSync(path.dirname(at), { recursive: true });
  writeFileSync(at, 'x');
}

test('a push takes more directories and links to directories than may be open at a time', async () => {
  const { server, source, environment } = await openScene();
  const words: string[] = [];
  for (let number = 0; number < 300; number += 1) {
    const directory = path.join(source, 'of', `${number}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, 'file'), `${number}`);
    const link = path.join(source, `link-${number}`);
    symlinkSync(directory, link);
    words.push(number % 2 === 0 ? directory : link);
  }
  // Fewer than there are sources, and enough for Node itself.
  const before = ['bash', '-c', 'ulimit -n 200; exec "$@"', 'bash'];
  const result = await cairn(['push', '--json', ...words, `${server.url}/many/`], { ...environment, before });
  expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { entries: 600, excluded: 0 } });
  expect(readFileSync(path.join(server.root, 'many/298/file'), 'utf8')).toBe('298');
  expect(readFileSync(path.join(server.root, 'many/link-299/file'), 'utf8')).toBe('299');
  const again = await cairn(['push', '--json', ...words, `${server.url}/many/`], { ...environment, before });
  expect(again, again.stderr).toMatchObject({ exitCode: 0, last: { bytesSent: 0, changed: 0 } });
});
